"""Matrix products by NumPy's BLAS, with as many threads as the work is worth.

BLAS would share every product larger than 64x64x64 between its threads, and they wait for one another by
yielding the processor in a loop. A product of LeNet-5's takes one thread a tenth of a millisecond, less than
waking the other; where another program runs too, that may take many milliseconds.
"""

from __future__ import annotations

import numpy as np

from ..jit import WORTH_SHARING, single_threaded_numpy

OPERATIONS = 100  # multiplications and additions that one thread does in a nanosecond, about


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    columns = b.shape[-1] if b.ndim > 1 else 1
    if 2 * a.size * columns / OPERATIONS < WORTH_SHARING:
        with single_threaded_numpy:
            return a @ b
    return a @ b
