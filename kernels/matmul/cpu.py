"""Matrix products by NumPy's BLAS, with as many threads as the work is worth, and by `skinny` for a few rows.

The threads are Numba's, with a single-threaded BLAS in each. BLAS's own threads share every product larger than
64x64x64 and then wait by yielding in a loop, which slows the kernels that follow: a training step of VGG-11 on 64
images of 32x32 took 193 ms with them and 147 without. A product of LeNet-5 takes one thread 0.1 ms, less than waking
another takes.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from ..cpu.jit import REASSOCIATE, get_num_threads, jit, single_threaded_numpy
from ..types import Array
from . import skinny

# Multiplications from which it pays to share a product: half a millisecond of work.
WORTH_SHARING = 50_000_000

# `skinny` is faster up to so many rows with matrices that are worth two threads: with those whose rows are summed
# (16x9216x4096: 11 ms against 15; 32x9216x4096: 22 against 19), and with those whose rows are multiplied
# (64x4096x4096: 11.4 ms against 12.1; 128x4096x4096: 21 against 18).
FEW_ROWS, FEW_ROWS_OF_TRANSPOSED = 16, 64
LARGE_MATRIX = 400_000

# With so few columns of `a`, as in a linear layer's weight gradient, writing the product is most of the work. OpenBLAS
# packs its factors and goes over the result twice, except in products of up to so many multiplications, to which the
# rows are cut (4096x16x9216: 9.5 ms instead of 15; 4096x4x25088: 21 instead of 52).
SHALLOW = 16
UNPACKED = 1_000_000

# A shared product is cut into so many pieces at most, each of at least so many rows or columns: BLAS packs the other
# factor anew for each.
PIECES, LEAST_PIECE = 8, 128

# Multiplications that a plain loop is done with before BLAS has been told its threads: 1x400x120 in 3.2 us, not 6.1.
FEW = 100_000


def matmul(a: Array, b: Array) -> Array:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    columns = b.shape[-1] if b.ndim > 1 else 1
    if a.size * columns <= FEW and a.ndim == b.ndim == 2 and a.flags.carray and b.T.flags.carray and a.dtype == b.dtype:
        product = np.empty((len(a), columns), a.dtype)
        _times_transposed(a, b.T, product)
        return product
    with single_threaded_numpy:
        if (
            b.size >= LARGE_MATRIX
            and a.ndim == b.ndim == 2
            and 0 < len(a) <= FEW_ROWS
            and (b.flags.c_contiguous or b.flags.f_contiguous)
            and a.dtype == b.dtype
            and a.dtype.char in "fd"
            and columns > 1
        ):
            return skinny.matmul(a, b)
        if a.size * columns < WORTH_SHARING or min(a.ndim, b.ndim) < 2:
            return a @ b
        return _shared(a, b, get_num_threads())


@jit(fastmath=REASSOCIATE)
def _times_transposed(a, rows, product):
    """product (M, N) = a (M, K) b, for the transpose of b, rows (N, K)."""
    for i in range(len(a)):
        for j in range(len(rows)):
            total = a.dtype.type(0)
            for k in range(a.shape[1]):
                total += a[i, k] * rows[j, k]
            product[i, j] = total


def _shared(a: np.ndarray, b: np.ndarray, threads: int) -> np.ndarray:
    """a b, where every thread computes some pieces of the rows or of the columns, whichever are more.

    The pieces depend on the shapes alone, for BLAS may add up in another order where it is given other sizes.
    """
    rows, depth, columns = *a.shape[-2:], b.shape[-1]
    product = np.empty((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns), np.result_type(a, b))
    shallow = depth <= SHALLOW and rows >= threads
    by_rows = shallow or rows >= columns
    length = rows if by_rows else columns
    piece = max(1, UNPACKED // max(1, depth * columns)) if shallow else max(LEAST_PIECE, -(-length // PIECES))
    starts = range(0, length, piece)

    def compute(some: range) -> None:
        with np.errstate(all="ignore"):  # which a thread does not inherit
            for start in some:
                part = slice(start, min(length, start + piece))
                if by_rows:
                    np.matmul(a[..., part, :], b, out=product[..., part, :])
                else:
                    np.matmul(a, b[..., part], out=product[..., part])

    others = [_workers().submit(compute, starts[thread::threads]) for thread in range(1, min(threads, len(starts)))]
    compute(starts[::threads])
    for other in others:
        other.result()
    return product


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="minigrad-matmul")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)  # a child process has none of the threads
