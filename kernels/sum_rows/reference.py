"""Sums of rows in NumPy."""

from __future__ import annotations

import numpy as np


def sum_rows(rows: np.ndarray, positions: np.ndarray, count: int) -> np.ndarray:
    """(count, C): row i is the sum of those of `rows` (K, C) whose position, int64 (K,) in [0, count), is i."""
    total = np.zeros((count, rows.shape[1]), rows.dtype)
    np.add.at(total, positions, rows)
    return total
