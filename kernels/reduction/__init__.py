"""Sums of arrays."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class Reduction(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def sum_middle(self, a: Array) -> Array:
        """The sum of a (P, N, Q) over the middle axis: (P, Q)."""
        ...
