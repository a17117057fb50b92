"""Dropout with a Philox mask."""

from __future__ import annotations

from typing import Protocol

from ..types import Array, Scalar


class Dropout(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(self, x: Array, p: float, seed: Scalar, offset: int) -> Array:
        """x times a mask: 1 / (1 - p) where the stream's number is at least p, else 0. Also the backward."""
        ...
