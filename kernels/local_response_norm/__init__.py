"""Local response normalisation across channels (AlexNet)."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class LocalResponseNorm(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        """y = x scale^-beta and scale = k + alpha / size times the sum of squares over `size` channels."""
        ...

    def backward(self, dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
        """dx from dy and what `forward` was given and gave."""
        ...
