"""Batch normalisation with Numba: a channel at a time for NCHW memory, blocks of rows for channels-last.

Sums are taken over fixed pieces of the data: a plane, or a block of rows. Each piece gives its mean and its
squared deviations from that mean while it is in cache, and the pieces are merged in float64 by the rule of
Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
No large sum of squares is ever subtracted from another, and no result depends on the threads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import REASSOCIATE, jit, team
from ..geometry import channels_to_end, planes
from ..types import Array
from .reference import track

__all__ = ["backward", "normalize", "scale", "statistics", "track"]

# Elements of a block of rows: 256 KiB of float32, which the second-level cache holds.
_BLOCK = 65536
# Rows whose sums are taken in the array's own precision, before they are added up in float64.
_RUN = 16

# What an element takes one thread, in nanoseconds.
STATISTICS, NORMALIZE, BACKWARD = 0.2, 0.3, 0.6


def statistics(x: Array, eps: float) -> tuple[Array, Array]:
    """mean (C,) and invstd (C,) of x (N, C, ...); see reference.py."""
    by_rows, x = _arranged(x)
    mean, invstd = np.empty((2, x.shape[1]), x.dtype)
    kernel, shaped = (_statistics_rows, _rows) if by_rows else (_statistics_planes, planes)
    team(kernel, STATISTICS * x.size)(shaped(x), eps, mean, invstd)
    return mean, invstd


def scale(var: Array, eps: float, weight: Array | None) -> Array:
    """weight / sqrt(var + eps), (C,); see reference.py. In NumPy's four steps it would take as long as normalising."""
    out = np.empty(var.shape, var.dtype)
    _scale(np.ascontiguousarray(var), eps, np.ones_like(out) if weight is None else np.ascontiguousarray(weight), out)
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
    by_rows, x = _arranged(x)
    y = np.empty_like(x)
    factor = invstd if weight is None else weight * invstd
    shift = np.zeros_like(mean) if bias is None else np.ascontiguousarray(bias)
    flat = x.ravel("K")  # here and below a view, in the order of memory
    kernel = team(_normalize_rows if by_rows else _normalize_planes, NORMALIZE * x.size)
    kernel(flat, x.shape[0], mean, factor, shift, relu, y.ravel("K"))
    return y


def backward(
    dy: Array, x: Array, weight: Array | None, mean: Array, invstd: Array, y: Array | None = None
) -> tuple[Array, Array | None, Array]:
    """dx of x's shape, dweight (None without a weight) and dbias (C,); see reference.py."""
    by_rows, x = _arranged(x)
    dy = _like(dy, x)
    dx = np.empty_like(x)
    dweight, dbias = np.empty((2, x.shape[1]), x.dtype)
    factor = np.ones(x.shape[1], x.dtype) if weight is None else np.ascontiguousarray(weight)
    kernel, shaped = (_backward_rows, _rows) if by_rows else (_backward_planes, planes)
    gate = y is not None, shaped(dy if y is None else _like(y, x))
    team(kernel, BACKWARD * x.size)(shaped(dy), shaped(x), factor, mean, invstd, *gate, shaped(dx), dweight, dbias)
    return dx, None if weight is None else dweight, dbias


def _arranged(x: np.ndarray) -> tuple[bool, np.ndarray]:
    """Whether x's channels lie side by side in memory, and x, copied if it lies neither so nor contiguous."""
    if channels_to_end(x).flags.c_contiguous and (x.ndim == 2 or not x.flags.c_contiguous):
        return True, x
    x = np.ascontiguousarray(x)
    return x.ndim == 2, x


def _like(array: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    """`array`, copied if it lies otherwise in memory than x; without one, x itself."""
    if array is None:
        return x
    if array.strides != x.strides:
        copy = np.empty_like(x)
        copy[...] = array
        return copy
    return array


def _rows(x: np.ndarray) -> np.ndarray:
    return channels_to_end(x).reshape(x.size // max(1, x.shape[1]), x.shape[1])


# Element by element nothing is reordered: where that was allowed, the process that compiled a loop rounded in another
# way than those that found it compiled, and a training that was resumed was not quite the same.
@jit(fastmath={"contract"})
def _scaled(x, mean, scale, bias):
    """The normalised x, scaled and shifted."""
    return (x - mean) * scale + bias


@jit(fastmath={"contract"})
def _input_gradient(grad, x, mean, scale, average, slope):
    """An element of dx: what is left of dy without its mean and its share along the normalised x."""
    return scale * (grad - average - (x - mean) * slope)


@jit(parallel=True, fastmath=REASSOCIATE)
def _statistics_planes(x, eps, mean, invstd):
    """x (N, C, L)."""
    n, channels, length = x.shape
    for c in prange(channels):
        average = 0.0
        deviations = 0.0
        for i in range(n):
            plane = x[i, c]
            total = 0.0
            for k in range(length):
                total += np.float64(plane[k])
            centre = total / max(1, length)
            squares = 0.0
            for k in range(length):
                deviation = np.float64(plane[k]) - centre
                squares += deviation * deviation
            step = centre - average
            average += step / (i + 1)
            deviations += squares + step * step * length * i / (i + 1)
        mean[c] = average
        invstd[c] = 1 / np.sqrt(deviations / max(1, n * length) + eps)


@jit(fastmath=REASSOCIATE)
def _add_run(x, near, total, square):
    """Add the deviations of x (rows, C) from `near` to total (C,), and their squares to square."""
    rows, channels = x.shape
    for row in range(0, rows - 1, 2):
        for c in range(channels):
            a = x[row, c] - near[c]
            b = x[row + 1, c] - near[c]
            total[c] += a + b
            square[c] += a * a + b * b
    if rows % 2 == 1:
        for c in range(channels):
            a = x[rows - 1, c] - near[c]
            total[c] += a
            square[c] += a * a


@jit(fastmath=REASSOCIATE)
def _block_statistics(x, centre, square):
    """The mean of x (rows, C), and the sum of the squared deviations from it.

    Deviations are first taken from the mean of a few rows. That lies so near that the change to the block's
    mean, sum (x - near)^2 - (sum (x - near))^2 / rows, takes little away from the squares' sum.
    """
    rows, channels = x.shape
    near = np.zeros(channels, x.dtype)
    total = np.empty(channels, x.dtype)
    square_total = np.empty(channels, x.dtype)
    few = min(_RUN, rows)
    for row in range(few):
        for c in range(channels):
            near[c] += x[row, c] / x.dtype.type(few)
    for start in range(0, rows, _RUN):
        total[:] = 0
        square_total[:] = 0
        _add_run(x[start : start + _RUN], near, total, square_total)
        for c in range(channels):
            centre[c] += total[c]
            square[c] += square_total[c]
    for c in range(channels):
        offset = centre[c] / rows
        square[c] -= centre[c] * offset
        centre[c] = near[c] + offset


@jit(parallel=True, fastmath=REASSOCIATE)
def _statistics_rows(x, eps, mean, invstd):
    """x (M, C)."""
    rows, channels = x.shape
    height = max(1, _BLOCK // max(1, channels))
    blocks = (rows + height - 1) // height
    centres = np.zeros((blocks, channels))
    squares = np.zeros((blocks, channels))
    for block in prange(blocks):
        _block_statistics(x[block * height : (block + 1) * height], centres[block], squares[block])
    average = np.zeros(channels)
    deviations = np.zeros(channels)
    for block in range(blocks):
        before = block * height
        count = min(height, rows - before)
        for c in range(channels):
            step = centres[block, c] - average[c]
            average[c] += step * count / (before + count)
            deviations[c] += squares[block, c] + step * step * count * before / (before + count)
    for c in range(channels):
        mean[c] = average[c]
        invstd[c] = 1 / np.sqrt(deviations[c] / max(1, rows) + eps)


@jit
def _scale(var, eps, weight, out):
    for c in range(len(var)):
        out[c] = weight[c] / np.sqrt(var[c] + eps)


@jit(parallel=True, fastmath=REASSOCIATE)
def _normalize_planes(x, n, mean, scale, bias, relu, y):
    """x and y (n, C, L), flat."""
    channels = len(mean)
    shape = n * channels, x.size // max(1, n * channels)
    x, y = x.reshape(shape), y.reshape(shape)
    for plane in prange(shape[0]):
        c = plane % channels
        for k in range(shape[1]):
            value = _scaled(x[plane, k], mean[c], scale[c], bias[c])
            y[plane, k] = np.float32(0) if relu and value <= 0 else value


@jit(parallel=True, fastmath=REASSOCIATE)
def _normalize_rows(x, n, mean, scale, bias, relu, y):
    """x and y (n, L, C), flat."""
    channels = len(mean)
    shape = x.size // max(1, channels), channels
    x, y = x.reshape(shape), y.reshape(shape)
    for row in prange(shape[0]):
        for c in range(channels):
            value = _scaled(x[row, c], mean[c], scale[c], bias[c])
            y[row, c] = np.float32(0) if relu and value <= 0 else value


@jit(parallel=True, fastmath=REASSOCIATE)
def _backward_planes(dy, x, weight, mean, invstd, gate, y, dx, dweight, dbias):
    """dy, x, y and dx (N, C, L): one pass for the two sums, one for dx. With `gate`, dy counts where y is not <= 0."""
    n, channels, length = x.shape
    for c in prange(channels):
        scale = weight[c] * invstd[c]
        total = 0.0
        moment = 0.0
        for i in range(n):
            for k in range(length):
                grad = dy[i, c, k]
                if gate:
                    grad = np.float32(0) if y[i, c, k] <= 0 else grad
                total += np.float64(grad)
                moment += np.float64(grad) * np.float64(x[i, c, k] - mean[c])
        moment *= invstd[c]
        dweight[c] = moment
        dbias[c] = total
        count = max(1, n * length)
        average = x.dtype.type(total / count)
        slope = x.dtype.type(moment / count * invstd[c])
        for i in range(n):
            for k in range(length):
                grad = dy[i, c, k]
                if gate:
                    grad = np.float32(0) if y[i, c, k] <= 0 else grad
                dx[i, c, k] = _input_gradient(grad, x[i, c, k], mean[c], scale, average, slope)


@jit(fastmath=REASSOCIATE)
def _add_gradient_run(dy, x, mean, gate, y, total, moment):
    rows, channels = x.shape
    for row in range(rows):
        for c in range(channels):
            grad = dy[row, c]
            if gate:
                grad = np.float32(0) if y[row, c] <= 0 else grad
            total[c] += grad
            moment[c] += grad * (x[row, c] - mean[c])


@jit(parallel=True, fastmath=REASSOCIATE)
def _backward_rows(dy, x, weight, mean, invstd, gate, y, dx, dweight, dbias):
    """dy, x, y and dx (M, C); otherwise as _backward_planes."""
    rows, channels = x.shape
    height = max(1, _BLOCK // max(1, channels))
    blocks = (rows + height - 1) // height
    totals = np.zeros((blocks, channels))
    moments = np.zeros((blocks, channels))
    scale = np.empty(channels, x.dtype)
    average = np.empty(channels, x.dtype)
    slope = np.empty(channels, x.dtype)
    for c in range(channels):
        scale[c] = weight[c] * invstd[c]
    for block in prange(blocks):
        total, moment = totals[block], moments[block]
        run_total = np.empty(channels, x.dtype)
        run_moment = np.empty(channels, x.dtype)
        last = min(rows, (block + 1) * height)
        for start in range(block * height, last, _RUN):
            run = slice(start, min(last, start + _RUN))
            run_total[:] = 0
            run_moment[:] = 0
            _add_gradient_run(dy[run], x[run], mean, gate, y[run], run_total, run_moment)
            for c in range(channels):
                total[c] += run_total[c]
                moment[c] += run_moment[c]
    for c in range(channels):
        total_c = 0.0
        moment_c = 0.0
        for block in range(blocks):
            total_c += totals[block, c]
            moment_c += moments[block, c]
        moment_c *= invstd[c]
        dweight[c] = moment_c
        dbias[c] = total_c
        average[c] = total_c / max(1, rows)
        slope[c] = moment_c / max(1, rows) * invstd[c]
    for block in prange(blocks):
        for row in range(block * height, min(rows, (block + 1) * height)):
            for c in range(channels):
                grad = dy[row, c]
                if gate:
                    grad = np.float32(0) if y[row, c] <= 0 else grad
                dx[row, c] = _input_gradient(grad, x[row, c], mean[c], scale[c], average[c], slope[c])
