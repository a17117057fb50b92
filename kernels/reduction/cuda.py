"""Sums on the GPU, in float64 and in an order that the shape alone decides."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import THREADS, real
from ..types import Array

FILE = "reduction/reduction.cu"
WIDTH = 32  # neighbouring columns of a block: 128 bytes of float32, one line of the cache
BLOCKS = 512  # enough to keep an H200 busy: 4 for each of its 132 multiprocessors
ROWS = 64  # that a thread adds up at least, before it is worth a second launch to share them


class Cut(NamedTuple):
    """How (P, N, Q) is cut into blocks: the struct of reduction.cu, and the number of blocks."""

    width: int
    rows: int
    chunk_rows: int
    tiles: int
    chunks: int
    blocks: int


STRUCT = np.dtype([(name, np.int32) for name in Cut._fields[:-1]])


def sum_middle(a: Array) -> Array:
    """(P, N, Q) summed over N: (P, Q). `a` is float32 or float64."""
    xp = array_module(a)
    p, n, q = a.shape
    defines = (real("sum", a),)
    if a.size == 0:
        return xp.zeros((p, q), a.dtype)
    a = xp.ascontiguousarray(a)
    total = xp.empty((p, q), a.dtype)
    first = plan(p, n, q)
    if first.chunks == 1:
        _launch("reduction_sum", a, total, (p, n, q), first, defines)
        return total
    partial = xp.empty((p, first.chunks, q), np.float64)
    _launch("reduction_sum_chunks", a, partial, (p, n, q), first, defines)
    _launch("reduction_sum_partial", partial, total, partial.shape, one_chunk(*partial.shape), defines)
    return total


def plan(p: int, n: int, q: int) -> Cut:
    """For the elements: chunks so long that each thread has `ROWS` rows to add, and at most `BLOCKS` blocks of them."""
    one = one_chunk(p, n, q, WIDTH)
    chunk_rows = min(n, max(ROWS * one.rows, -(-n * one.blocks // BLOCKS)))
    chunks = -(-n // chunk_rows)
    return one._replace(chunk_rows=chunk_rows, chunks=chunks, blocks=one.blocks * chunks)


def one_chunk(p: int, n: int, q: int, widest: int = 8) -> Cut:
    """One chunk. For the chunks' sums in narrow blocks, so that many threads share the few rows."""
    width = -(-q // -(-q // widest))
    if q > widest:
        width = -(-width // 8) * 8  # whole sectors of memory, 32 bytes of float32
    # A thread adds at least four rows: fewer are not worth the steps by which threads add theirs up.
    rows = max(1, min(THREADS // width, n // 4))
    places = THREADS // (width * rows)
    tiles = -(-q // width)
    return Cut(width, rows, n, tiles, 1, tiles * -(-p // places))


def _launch(function: str, a: Any, total: Any, shape: tuple[int, ...], cut: Cut, defines: tuple) -> None:
    sizes = [np.int64(size) for size in shape]
    struct = np.array(cut[:-1], STRUCT)
    launch(FILE, function, (cut.blocks,), (THREADS,), (a, total, *sizes, struct), defines=defines)
