"""Sums of rows that belong together: the gradient of reading rows at positions that a tensor names."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class SumRows(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def sum_rows(self, rows: Array, positions: Array, count: int) -> Array:
        """(count, ...): row i is the sum of the rows whose position is i."""
        ...
