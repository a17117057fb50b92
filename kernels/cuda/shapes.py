"""The layout of a launch: the variant of a kernel for an array, and the grid that covers it."""

from __future__ import annotations

import math

import numpy as np

_NAMES = {"f": "float", "d": "double"}
THREADS = 256  # of a block: 8 warps, of which a multiprocessor holds 8 such blocks
GRID_Y = 65535  # CUDA's limit on blocks along the second axis


def real(operation: str, array) -> tuple[str, str]:
    """The define of an array's number type; RuntimeError if no kernel computes in it."""
    name = _NAMES.get(array.dtype.char)
    if name is None:
        raise RuntimeError(f"{operation}: the GPU's kernels compute in float32 or float64, got {array.dtype}")
    return "REAL", name


def vector(length: int, *arrays) -> int:
    """How many elements a thread moves at once: 16 bytes' worth, or 1.

    The first if runs of `length` elements divide into such pieces, and each array begins at a multiple of 16 bytes.
    Name every array that the caller gave and the kernel moves in packs; new arrays begin at such a multiple.
    """
    width = 16 // arrays[0].itemsize
    fits = length % width == 0 and all([array.data.ptr % 16 == 0 for array in arrays if array is not None])
    return width if fits else 1


def integers(*values) -> tuple[np.int32, ...]:
    """Numbers, and pairs of them, as kernel arguments; OverflowError from 2^31 on."""
    flat = [number for value in values for number in (value if isinstance(value, tuple) else (value,))]
    return tuple([np.int32(number) for number in flat])


def check_image(operation: str, *sizes: int) -> None:
    """RuntimeError for an image with too many elements: within one, kernels count in 32 bits."""
    if math.prod(sizes) >= 2**31:
        raise RuntimeError(f"{operation}: an image of {' x '.join(map(str, sizes))} has 2^31 elements or more")


def tiles(columns: int, rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The grid and the block that cover `rows` of `columns` threads each.

    A block's first axis is a power of two along a row, so that neighbouring threads touch neighbouring memory; its
    second takes several short rows. Kernels loop over rows in steps of the whole grid, which ends at CUDA's limit.
    """
    width = power_of_two(columns, THREADS)
    height = THREADS // width
    return (-(-columns // width), min(-(-rows // height), GRID_Y)), (width, height)


def power_of_two(count: int, most: int) -> int:
    """The least power of two that is no less than `count`, but at most `most`."""
    return min(1 << (int(count) - 1).bit_length(), most)
