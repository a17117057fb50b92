"""Launch of sum_rows.cu; see reference.py for the arguments. A position out of range is ignored."""

from __future__ import annotations

import numpy as np

from ..cuda import array_module, launch
from ..types import Array

THREADS = 256
SCANNED = 1 << 22  # positions that all blocks together look at, at most; beyond that sorting them is quicker
MOST_BLOCKS = 2**31 - 1, 65535  # CUDA's limits along the grid's first two axes
DEFINES = {  # the kernel's types of an element and of a sum
    "f": (("REAL", "float"), ("SUM", "double")),
    "d": (("REAL", "double"), ("SUM", "double")),
    "l": (("REAL", "int64"), ("SUM", "int64")),
}


def sum_rows(rows: Array, positions: Array, count: int) -> Array:
    """See reference.py. The order of additions is the same in each run; many positions are sorted first."""
    if rows.dtype.char not in DEFINES:
        return sum_rows(rows.astype(np.int64), positions, count).astype(rows.dtype)
    xp = array_module(rows)
    columns = rows.shape[1]
    if rows.size == 0 or count == 0:
        return xp.zeros((count, columns), rows.dtype)
    positions, order, starts = xp.ascontiguousarray(positions), None, None
    if len(rows) * count > SCANNED:
        order = xp.argsort(positions, kind="stable")
        starts = xp.searchsorted(positions[order], xp.arange(count + 1))
    total = xp.empty((count, columns), rows.dtype)
    width = min(32, 1 << (columns - 1).bit_length())
    grid = min(count, MOST_BLOCKS[0]), min(-(-columns // width), MOST_BLOCKS[1])
    sizes = np.int64(len(rows)), np.int64(count), np.int64(columns)
    arguments = xp.ascontiguousarray(rows), positions, order, starts, total, *sizes
    launch(
        "sum_rows/sum_rows.cu",
        "sum_rows",
        grid,
        (width, THREADS // width),
        arguments,
        defines=DEFINES[rows.dtype.char],
    )
    return total
