"""Sums with Numba: short runs in the array's own precision, which vectorise, and the runs' sums in float64.

A task adds up a rectangle of rows and columns; how an array is cut into rectangles depends on its shape alone, and
so does the result.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import REASSOCIATE, jit, team
from ..types import Array

SMALL = 1 << 10  # elements that NumPy adds before a kernel has been called
NANOSECONDS = 0.15  # an element takes one thread
RECTANGLE = 1 << 15  # elements of a task: 128 KiB of float32
COLUMNS = 2048  # of a rectangle at most, so that their running sums stay in the first-level cache
RUN = 32  # rows added in the array's precision
LINE = 1024  # elements of a line: they vectorise, so that there are 16 and more running sums


def sum_middle(a: Array) -> Array:
    """(P, N, Q) summed over N: (P, Q). `a` is contiguous, float32 or float64."""
    p, n, q = a.shape
    if a.size <= SMALL:
        return a.sum(1, np.float64).astype(a.dtype)
    columns = max(1, min(q, COLUMNS))
    rows = RECTANGLE // columns
    partial = np.zeros((p, -(-n // rows), q), np.float64)
    if q == 1:
        team(_sum_lines, NANOSECONDS * a.size)(a.reshape(p, n), rows, partial.reshape(partial.shape[:2]))
    else:
        team(_sum_rows, NANOSECONDS * a.size)(a, rows, columns, partial)
    total = partial[:, 0] if partial.shape[1] == 1 else partial.sum(1)
    return total.astype(a.dtype)


@jit(parallel=True, fastmath=REASSOCIATE)
def _sum_lines(a, length, partial):
    """partial[i, c] = the sum of a[i, c * length : (c + 1) * length]."""
    p, chunks = partial.shape
    for task in prange(p * chunks):
        i, chunk = task // chunks, task % chunks
        end = min(a.shape[1], (chunk + 1) * length)
        total = 0.0
        for start in range(chunk * length, end, LINE):
            piece = a[i, start : min(start + LINE, end)]
            run = a.dtype.type(0)
            for k in range(len(piece)):
                run += piece[k]
            total += run
        partial[i, chunk] = total


@jit(parallel=True)
def _sum_rows(a, rows, columns, partial):
    """partial[i, c] = the sum of the rows a[i, c * rows : (c + 1) * rows]."""
    p, n, q = a.shape
    chunks, blocks = partial.shape[1], (q + columns - 1) // columns
    for task in prange(p * chunks * blocks):
        i, chunk, left = task // blocks // chunks, task // blocks % chunks, task % blocks * columns
        width, end = min(columns, q - left), min(n, (chunk + 1) * rows)
        total = partial[i, chunk, left : left + width]
        run = np.empty(width, a.dtype)
        for start in range(chunk * rows, end, RUN):
            run[:] = 0
            for r in range(start, min(start + RUN, end)):
                line = a[i, r, left : left + width]
                for c in range(width):
                    run[c] += line[c]
            for c in range(width):
                total[c] += run[c]
