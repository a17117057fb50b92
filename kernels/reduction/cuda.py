"""Sums on the GPU, in float64 and in an order that the shape alone decides."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import real

FILE = "reduction/reduction.cu"
THREADS = 256
WIDTH = 32  # neighbouring columns of a block: 128 bytes of float32, one line of the cache
BLOCKS = 512  # enough to keep an H200 busy: 4 for each of its 132 multiprocessors
ROWS = 64  # that a thread adds up at least, before it is worth a second launch to share them


class Plan(NamedTuple):
    """How (P, N, Q) is cut into blocks: the kernel's arguments of these names, and how many there are of each."""

    width: int
    rows: int
    chunk_rows: int
    chunks: int
    blocks: int


def sum_middle(a: Any) -> Any:
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
    _launch("reduction_sum_partial", partial, total, partial.shape, second_plan(*partial.shape), defines)
    return total


def plan(p: int, n: int, q: int) -> Plan:
    """For the elements: chunks so long that each thread has `ROWS` rows to add, and at most `BLOCKS` blocks of them."""
    width, rows, groups = _block(p, n, q, WIDTH)
    chunk_rows = min(n, max(ROWS * rows, -(-n * groups // BLOCKS)))
    chunks = -(-n // chunk_rows)
    return Plan(width, rows, chunk_rows, chunks, groups * chunks)


def second_plan(p: int, n: int, q: int) -> Plan:
    """For the chunks' sums: narrow blocks, so that many threads share the few rows."""
    width, rows, groups = _block(p, n, q, 8)
    return Plan(width, rows, n, 1, groups)


def _block(p: int, n: int, q: int, widest: int) -> tuple[int, int, int]:
    """The width and rows of a block, and how many blocks each chunk of rows takes."""
    tiles = -(-q // widest)
    width = -(-q // tiles)
    # A thread adds at least four rows: fewer are not worth the steps by which threads add theirs up.
    rows = max(1, min(THREADS // width, n // 4))
    places = THREADS // (width * rows)
    return width, rows, tiles * -(-p // places)


def _launch(function: str, a: Any, total: Any, shape: tuple[int, ...], cut: Plan, defines: tuple) -> None:
    sizes = [np.int64(size) for size in shape]
    cuts = np.int32(cut.width), np.int32(cut.rows), np.int32(cut.chunk_rows)
    launch(FILE, function, (cut.blocks,), (THREADS,), (a, total, *sizes, *cuts), defines=defines)
