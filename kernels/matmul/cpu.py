"""Matrix products by NumPy's BLAS, with as many threads as the work is worth, and by `skinny` for a few rows.

BLAS would share every product larger than 64x64x64 between its threads, and they wait for one another by
yielding the processor in a loop. A product of LeNet-5's takes one thread a tenth of a millisecond, less than
waking the other; where another program runs too, that may take many milliseconds.
"""

from __future__ import annotations

import numpy as np

from ..jit import single_threaded_numpy

# Multiplications from which it pays to share a product: half a millisecond of work. With 256 pictures a step of
# LeNet-5, whose largest product has 12 million, took 18 ms with it shared and 11 without.
WORTH_SHARING = 50_000_000

# `skinny` is faster up to so many rows (4x2048x1000: 0.32 ms against 1.05; 16x9216x4096: both 15), with matrices
# that are worth two threads.
FEW_ROWS = 8
LARGE_MATRIX = 400_000


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    if (
        a.ndim == b.ndim == 2
        and 0 < len(a) <= FEW_ROWS
        and b.size >= LARGE_MATRIX
        and (b.flags.c_contiguous or b.flags.f_contiguous)
        and a.dtype == b.dtype
        and a.dtype.char in "fd"
        and b.shape[1] > 1
    ):
        from . import skinny  # Numba, which other products do without

        return skinny.matmul(a, b)
    columns = b.shape[-1] if b.ndim > 1 else 1
    if a.size * columns < WORTH_SHARING:
        with single_threaded_numpy:
            return a @ b
    return a @ b
