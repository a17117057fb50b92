"""Batch normalisation of (N, C, ...) over all axes but the second."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class BatchNorm(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def statistics(self, x: Array, eps: float) -> tuple[Array, Array]:
        """mean (C,) and invstd (C,) = 1 / sqrt(variance + eps) of each channel."""
        ...

    def track(
        self,
        running_mean: Array,
        running_var: Array,
        mean: Array,
        invstd: Array,
        momentum: float,
        eps: float,
        count: int,
    ) -> None:
        """Update running statistics (C,) in place with those of a batch of `count` elements a channel."""
        ...

    def scale(self, var: Array, eps: float, weight: Array | None) -> Array:
        """weight / sqrt(var + eps), (C,)."""
        ...

    def normalize(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        mean: Array,
        invstd: Array,
        relu: bool = False,
    ) -> Array:
        """(x - mean) invstd weight + bias, then max(., 0) if asked for."""
        ...

    def backward(
        self, dy: Array, x: Array, weight: Array | None, mean: Array, invstd: Array, y: Array | None = None
    ) -> tuple[Array, Array | None, Array]:
        """dx, dweight (None without a weight) and dbias; `y` is what a ReLU returned that followed."""
        ...
