"""Products of a few rows with a large matrix, as in linear layers with small batches: bound by reading that matrix.

BLAS packs the large matrix before it multiplies, which costs more than multiplying it by a few rows. Here it is
read once, as it lies in memory, while the small one stays in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from ..cpu.dots import add_dots
from ..cpu.jit import REASSOCIATE, jit
from ..cpu.relayout import row_major

# Columns that a task of `_times` covers: enough tasks, and a page of each row.
_BLOCK = 1024
# Rows of the large matrix that a task covers.
_TASK = 32
# Rows that are summed in one pass.
_RUN = 8


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b for a (M, K) of a few rows and b (K, N), that or its transpose C-contiguous."""
    rows, depth = a.shape
    y = np.empty((rows, b.shape[1]), a.dtype)
    if not b.flags.c_contiguous and rows == 1:
        _times_vector(b.T, np.ascontiguousarray(a[0]), y[0])
        return y
    if not b.flags.c_contiguous:
        _times_transposed(row_major(a), b.T, y, get_num_threads())
        return y
    whole = depth - depth % _RUN
    _times(np.ascontiguousarray(a), b, whole, y)
    if whole < depth:
        y += a[:, whole:] @ b[whole:]
    return y


@jit(parallel=True, fastmath=REASSOCIATE)
def _times_vector(w, x, y):
    """y (N,) = w x: w (N, K) and x (K,), two rows of w at a time."""
    columns, depth = w.shape
    for task in prange((columns + _TASK - 1) // _TASK):
        last = min(columns, (task + 1) * _TASK)
        for o in range(task * _TASK, last, 2):
            p = min(o + 1, last - 1)  # at an odd end the same row twice
            w0, w1 = w[o], w[p]
            a = b = x.dtype.type(0)
            for k in range(depth):
                a += x[k] * w0[k]
                b += x[k] * w1[k]
            y[o] = a
            y[p] = b


@jit(parallel=True)
def _times_transposed(x, w, y, tasks):
    """y (M, N) = x w^T: x (M, K) and w (N, K), in `tasks` ranges of columns."""
    (rows, depth), columns = x.shape, len(w)
    x, w, flat = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size)
    for task in prange(tasks):
        first, last = columns * task // tasks, columns * (task + 1) // tasks
        y[:, first:last] = 0
        add_dots(w, first * depth, last - first, x, rows, depth, flat, first, columns)


@jit(fastmath=REASSOCIATE)
def _add_run(f, w0, w1, w2, w3, w4, w5, w6, w7, total):
    """Add eight rows, times the factors f, to total."""
    f0, f1, f2, f3, f4, f5, f6, f7 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
    for k in range(len(total)):
        total[k] += f0 * w0[k] + f1 * w1[k] + f2 * w2[k] + f3 * w3[k]
        total[k] += f4 * w4[k] + f5 * w5[k] + f6 * w6[k] + f7 * w7[k]


@jit(parallel=True, fastmath=REASSOCIATE)
def _times(x, w, depth, y):
    """y (M, N) = x (M, K) w, w (K, N), summed over the first `depth` of K, a multiple of _RUN."""
    rows, columns = y.shape
    for task in prange((columns + _BLOCK - 1) // _BLOCK):
        block = slice(task * _BLOCK, min(columns, (task + 1) * _BLOCK))
        total = np.zeros((rows, block.stop - block.start), x.dtype)
        for k in range(0, depth, _RUN):
            w0, w1, w2, w3 = w[k, block], w[k + 1, block], w[k + 2, block], w[k + 3, block]
            w4, w5, w6, w7 = w[k + 4, block], w[k + 5, block], w[k + 6, block], w[k + 7, block]
            for m in range(rows):
                _add_run(x[m, k : k + _RUN], w0, w1, w2, w3, w4, w5, w6, w7, total[m])
        y[:, block] = total
