"""Sums of rows in NumPy."""

from __future__ import annotations

import numpy as np

from ..types import Array


def sum_rows(rows: Array, positions: Array, count: int) -> Array:
    """(count, C): row i is the sum of those of `rows` (K, C) whose position, int64 (K,) in [0, count), is i."""
    total = np.zeros((count, rows.shape[1]), rows.dtype)
    np.add.at(total, positions, rows)
    return total
