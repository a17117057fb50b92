"""Copies of images and kernels between NCHW and NHWC memory, and concatenation along channels.

Either order is a transpose of the matrices (channels, pixels) or (channels, taps). NumPy copies them on one thread,
with strided accesses: for 32 images of 64 x 32 x 32, NHWC to NCHW takes it 2.5 ms, here 0.7.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..geometry import is_dense
from .jit import WORTH_SHARING, jit, team
from .tile import VECTOR_BYTES
from .transpose import transpose

# Rows and columns that are transposed together: their cache lines, 2 x 4 KB in float32, stay in the first level.
SQUARE = 32
NANOSECONDS = 0.5  # an element takes one thread
BRANCHES = 4  # images set side by side by one call of a kernel: as many as an Inception module joins


def row_major(array: np.ndarray) -> np.ndarray:
    """The array, or a copy, C-contiguous and writable; Numba would compile a kernel again for any other layout."""
    return array if array.flags.carray else _copy(array, np.empty(array.shape, array.dtype))


def channels_last(array: np.ndarray) -> np.ndarray:
    """(N, C, H, W), or a copy, that lies in memory as (N, H, W, C) and is writable."""
    if array.transpose(0, 2, 3, 1).flags.carray:
        return array
    n, c, h, w = array.shape
    return _copy(array, np.empty((n, h, w, c), array.dtype).transpose(0, 3, 1, 2))


def side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """Images (N, C_i, H, W) as one (N, sum of C_i, H, W); all lie channels-last in memory and are writable.

    NumPy's one thread takes three times as long for those of 28 x 28 that an Inception module joins.
    """
    n, _, height, width = images[0].shape
    widths = [image.shape[1] for image in images]
    whole = np.empty((n, height, width, sum(widths)), images[0].dtype)
    if NANOSECONDS * whole.size < WORTH_SHARING:
        return np.concatenate(images, 1, out=whole.transpose(0, 3, 1, 2))
    flat, target = [image.transpose(0, 2, 3, 1).reshape(image.size) for image in images], whole.reshape(whole.size)
    first = 0
    for start in range(0, len(images), BRANCHES):
        missing = start + BRANCHES - len(images)
        group = flat[start : start + BRANCHES] + [target[:0]] * missing
        group_widths = (*widths[start : start + BRANCHES], *[0] * missing)
        _set_beside(*group, group_widths, target, whole.shape[3], first)
        first += sum(group_widths)
    return whole.transpose(0, 3, 1, 2)


def in_order_of(like: np.ndarray, array: np.ndarray) -> np.ndarray:
    """The array, or a copy, dense, whose elements lie in memory in the order of those of `like`."""
    if array.flags.c_contiguous and like.flags.c_contiguous or (array.strides == like.strides and is_dense(like)):
        return array
    return _copy(array, np.empty_like(like, array.dtype))


def flat_and_strides(array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """(N, C, H, W) as one axis, its shape, and its strides in elements; a copy if neither order is contiguous."""
    nhwc = array.transpose(0, 2, 3, 1)
    if not nhwc.flags.carray:
        nhwc = array = row_major(array)
    stride_n, stride_c, stride_h, stride_w = array.strides
    size = array.itemsize
    return nhwc.reshape(-1), array.shape, (stride_n // size, stride_c // size, stride_h // size, stride_w // size)


def _copy(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    if source.ndim == 4 and source.dtype.char in "fd" and source.dtype.isnative and source.size:
        n, c, h, w = source.shape
        for rows, columns, a, b in (
            (c, h * w, source, target.transpose(0, 2, 3, 1)),
            (h * w, c, source.transpose(0, 2, 3, 1), target),
        ):
            if a.flags.carray and b.flags.carray:
                transpose = team(_transpose, NANOSECONDS * source.size)
                transpose(a.reshape(n, rows, columns), b.reshape(n, columns, rows))
                return target
    target[...] = source
    return target


@jit(parallel=True)
def _transpose(a, b):
    """b[n, j, i] = a[n, i, j], in whole squares of vectors as far as they go."""
    batch, rows, columns = a.shape
    lanes = VECTOR_BYTES // a.itemsize
    whole = rows - rows % lanes
    flat_a, flat_b = a.reshape(a.size), b.reshape(b.size)
    strips = -(-columns // SQUARE)
    for task in prange(batch * strips):
        n, left = task // strips, task % strips * SQUARE
        right = min(columns, left + SQUARE)
        middle = right - (right - left) % lanes
        begin = n * rows * columns
        for i in range(0, whole, lanes):
            for j in range(left, middle, lanes):
                at, to = begin + i * columns + j, begin + j * rows + i
                transpose(flat_a, at, columns, lanes, lanes, flat_b, to, rows)  # type: ignore[call-arg]
        for i in range(rows):
            for j in range(middle if i < whole else left, right):
                b[n, j, i] = a[n, i, j]


@jit
def _put(source, pixel, width, target, at):
    # Unsigned places cannot count from the end, so that this is a plain copy to the compiler.
    start = np.uint64(pixel * width)
    for c in range(np.uint64(width)):
        target[at + c] = source[start + c]


@jit(parallel=True)
def _set_beside(a, b, c, d, widths, whole, channels, first):
    """From channel `first` on, the images' channels into those of whole; all are flat, pixel by pixel."""
    for pixel in prange(whole.size // max(1, channels)):
        at = np.uint64(pixel * channels + first)
        _put(a, pixel, widths[0], whole, at)
        _put(b, pixel, widths[1], whole, at + np.uint64(widths[0]))
        _put(c, pixel, widths[2], whole, at + np.uint64(widths[0] + widths[1]))
        _put(d, pixel, widths[3], whole, at + np.uint64(widths[0] + widths[1] + widths[2]))
