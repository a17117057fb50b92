"""Batch normalisation on a GPU: the launches of batch_norm.cu, which describes the kernels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import GRID_Y, THREADS, integers, power_of_two, real, vector
from ..geometry import channels_to_end, channels_to_second
from ..types import Array

# Blocks at most for the sums, about 4 for each multiprocessor of an H200: enough to hide memory's latency, and few
# enough to merge. A constant, so that a sum does not depend on the device.
_BLOCKS = 512
_RUN = 4  # rows of a thread in a strip, as in batch_norm.cu
_MERGE = 32, 8  # channels of a block, and threads that share what the blocks left for each


def statistics(x: Array, eps: float) -> tuple[Array, Array]:
    """mean (C,) and invstd (C,) = 1 / sqrt(variance + eps) of each channel of x (N, C, ...); see reference.py."""
    xp = array_module(x)
    rows = _Rows.of(x)
    mean, invstd = xp.empty(rows.channels, x.dtype), xp.empty(rows.channels, x.dtype)
    if rows.channels:
        grid, block, strip = rows.sums()
        partial = xp.empty((2, grid[1], rows.channels), np.float64)
        if grid[1]:
            rows.launch("statistics", grid, block, (rows.x, partial, *rows.sizes))
        sizes = integers(grid[1], rows.channels, rows.images, strip, 1 if rows.last else rows.length)
        rows.launch("merge_statistics", rows.merge_grid, _MERGE, (partial, mean, invstd, *sizes, np.float64(eps)))
    return mean, invstd


def track(
    running_mean: Array, running_var: Array, mean: Array, invstd: Array, momentum: float, eps: float, count: int
) -> None:
    """Move running statistics (C,), in place, towards a batch's; see reference.py."""
    xp = array_module(mean)
    channels = mean.size
    if channels == 0:
        return
    moved = [xp.ascontiguousarray(running) for running in (running_mean, running_var)]
    scalars = np.int32(channels), np.float64(momentum), np.float64(eps), np.float64(count / (count - 1))
    arguments = (*moved, _contiguous(mean), _contiguous(invstd), *scalars)
    _launch("track", mean, 1, (-(-channels // THREADS),), (THREADS,), arguments)
    for running, new in zip((running_mean, running_var), moved, strict=True):
        if new is not running:  # it lay with gaps
            running[...] = new


def scale(var: Array, eps: float, weight: Array | None) -> Array:
    """weight / sqrt(var + eps), (C,); see reference.py."""
    out = array_module(var).empty(var.shape, var.dtype)
    if var.size:
        arguments = _contiguous(var), _contiguous(weight), out, np.int32(var.size), np.float64(eps)
        _launch("scale", var, 1, (-(-var.size // THREADS),), (THREADS,), arguments)
    return out


def normalize(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    invstd: Array,
    relu: bool = False,
) -> Array:
    """y = (x - mean) invstd weight + bias; see reference.py. y lies in memory as x does."""
    rows = _Rows.of(x)
    y = rows.empty()
    vectors = [_contiguous(values) for values in (mean, invstd, weight, bias)]
    rows = rows.together_with(*vectors)
    rows.launch_each("normalize", (rows.x, *vectors, np.int32(relu), y))
    return rows.shaped(y)


def backward(
    dy: Array, x: Array, weight: Array | None, mean: Array, invstd: Array, y: Array | None = None
) -> tuple[Array, Array | None, Array]:
    """dx of x's shape, dweight (None without a weight) and dbias (C,); see reference.py."""
    xp = array_module(x)
    rows = _Rows.of(x)
    dy, y = rows.like(dy), rows.like(y)
    dbias, average, slope = (xp.empty(rows.channels, rows.x.dtype) for _ in range(3))
    dweight = None if weight is None else xp.empty(rows.channels, rows.x.dtype)
    mean, invstd, factor = (_contiguous(values) for values in (mean, invstd, weight))
    rows = rows.together_with(dy, y, mean, invstd, factor)
    if rows.channels:
        grid, block, _ = rows.sums()
        partial = xp.empty((2, grid[1], rows.channels), np.float64)
        if grid[1]:
            rows.launch("gradient_sums", grid, block, (dy, rows.x, y, mean, partial, *rows.sizes))
        sizes = np.int32(grid[1]), np.int32(rows.channels), np.int64(rows.x.size // rows.channels)
        arguments = partial, invstd, dweight, dbias, average, slope, *sizes
        rows.launch("merge_gradients", rows.merge_grid, _MERGE, arguments)
    dx = rows.empty()
    rows.launch_each("input_gradient", (dy, rows.x, y, mean, invstd, factor, average, slope, dx))
    return rows.shaped(dx), dweight, dbias


class _Rows(NamedTuple):
    """x as batch_norm.cu sees memory."""

    x: Any  # C-contiguous: channels-last if `last`
    last: bool
    count: int  # of rows
    length: int  # of a row
    channels: int
    packed: int  # elements a thread moves at once

    @classmethod
    def of(cls, x) -> _Rows:
        """`x` (N, C, ...), copied if it lies neither contiguous nor channels-last."""
        n, channels = x.shape[:2]
        plane = math.prod(x.shape[2:])
        ended = channels_to_end(x)
        last = ended.flags.c_contiguous and (plane == 1 or not x.flags.c_contiguous)
        x = ended if last else array_module(x).ascontiguousarray(x)
        count, length = (n * plane, channels) if last else (n * channels, plane)
        return cls(x, last, count, length, channels, vector(length, x))

    def together_with(self, *arrays) -> _Rows:
        """The same rows, with vector accesses only if each of these arrays (None: absent) is aligned too."""
        return self._replace(packed=vector(self.length, self.x, *arrays))

    @property
    def images(self) -> int:
        """What the sums go over: rows, or images of planes."""
        return self.count if self.last else self.count // max(1, self.channels)

    @property
    def packs(self) -> int:
        return self.length // self.packed

    @property
    def sizes(self) -> tuple[np.int32, ...]:
        return integers(self.count, self.packs, self.channels, self.last)

    @property
    def merge_grid(self) -> tuple[int]:
        return (-(-self.channels // _MERGE[0]),)

    def sums(self) -> tuple[tuple[int, int], tuple[int, int], int]:
        """The grid and the block of the sums, and the rows or images of a strip."""
        across = power_of_two(self.packs, 32 if self.last else THREADS)
        down = THREADS // across
        columns = -(-self.packs // across) if self.last else self.channels
        strip = down * (_RUN if self.last else 1)
        strips = -(-self.images // strip) if self.x.size else 0
        return (columns, min(strips, max(1, _BLOCKS // columns))), (across, down), strip

    def launch(self, what: str, grid, block, arguments) -> None:
        _launch(what, self.x, self.packed, grid, block, arguments)

    def launch_each(self, what: str, arguments) -> None:
        """Over all elements, strip by strip."""
        if self.x.size == 0:
            return
        across = power_of_two(self.packs, 32 if self.last else THREADS)
        down = THREADS // across
        grid = -(-self.packs // across), min(-(-self.count // (down * _RUN)), GRID_Y)
        self.launch(what, grid, (across, down), (*arguments, *self.sizes))

    def empty(self):
        return array_module(self.x).empty(self.x.shape, self.x.dtype)

    def like(self, array):
        """`array`, of x's shape, in memory as x; None stays None."""
        if array is None:
            return None
        return array_module(array).ascontiguousarray(channels_to_end(array) if self.last else array)

    def shaped(self, result):
        """A result that lies as x, in the shape (N, C, ...)."""
        return channels_to_second(result) if self.last else result


def _launch(what: str, numbers, packed: int, grid, block, arguments) -> None:
    defines = (real("batch_norm", numbers), ("VECTOR", packed))
    launch("batch_norm/batch_norm.cu", f"batch_norm_{what}", grid, block, arguments, defines=defines)


def _contiguous(values):
    return None if values is None else array_module(values).ascontiguousarray(values)
