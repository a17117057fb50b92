"""Products of a few rows with a large matrix, as in linear layers with small batches: bound by reading that once.

BLAS packs the large matrix before it multiplies, which costs more than multiplying it by a few rows. Here it is
read once, as it lies in memory, while the small one stays in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..jit import REASSOCIATE, jit

# Elements of the small matrix that stay in the second-level cache: 256 KiB of float32.
_CACHED = 65536
# Columns that a task of `_times` covers: enough tasks, and a page of each row.
_BLOCK = 1024
# Rows of the large matrix that a task covers.
_TASK = 32
# Rows that are summed in one pass.
_RUN = 8


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b for a (M, K) of a few rows and b (K, N), that or its transpose C-contiguous."""
    rows, depth = a.shape
    if not b.flags.c_contiguous and rows == 1:
        y = np.empty((1, b.shape[1]), a.dtype)
        _times_vector(b.T, np.ascontiguousarray(a[0]), y[0])
        return y
    if not b.flags.c_contiguous:
        padded = np.zeros((-(-rows // 4) * 4, depth), a.dtype)
        padded[:rows] = a
        y = np.zeros((len(padded), b.shape[1]), a.dtype)
        _times_transposed(padded, b.T, y)
        return y[:rows]
    y = np.empty((rows, b.shape[1]), a.dtype)
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


@jit(parallel=True, fastmath=REASSOCIATE)
def _times_transposed(x, w, y):
    """Add x w^T to y (M, N): x (M, K) and w (N, K); M a multiple of 4. Four rows of x times two of w at a time."""
    rows, depth = x.shape
    columns = len(w)
    block = _CACHED // rows
    for task in prange((columns + _TASK - 1) // _TASK):
        last = min(columns, (task + 1) * _TASK)
        for start in range(0, depth, block):
            stop = min(depth, start + block)
            for o in range(task * _TASK, last, 2):
                p = min(o + 1, last - 1)  # at an odd end the same row twice
                w0, w1 = w[o, start:stop], w[p, start:stop]
                for m in range(0, rows, 4):
                    x0, x1 = x[m, start:stop], x[m + 1, start:stop]
                    x2, x3 = x[m + 2, start:stop], x[m + 3, start:stop]
                    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = x.dtype.type(0)
                    for k in range(stop - start):
                        a0 += x0[k] * w0[k]
                        a1 += x1[k] * w0[k]
                        a2 += x2[k] * w0[k]
                        a3 += x3[k] * w0[k]
                        b0 += x0[k] * w1[k]
                        b1 += x1[k] * w1[k]
                        b2 += x2[k] * w1[k]
                        b3 += x3[k] * w1[k]
                    y[m, o] += a0
                    y[m + 1, o] += a1
                    y[m + 2, o] += a2
                    y[m + 3, o] += a3
                    if p > o:
                        y[m, p] += b0
                        y[m + 1, p] += b1
                        y[m + 2, p] += b2
                        y[m + 3, p] += b3


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
