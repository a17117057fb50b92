"""Matrix products: NumPy's own."""

from __future__ import annotations

import numpy as np


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    return a @ b
