"""Batch normalisation with Numba: a channel at a time for NCHW memory, blocks of rows for channels-last.

Sums are taken in float64, over fixed pieces of the data: a plane, or a block of rows. Each piece gives its
mean and its squared deviations from that mean while it is in cache, and the pieces are merged by the rule of
Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
No large sum of squares is ever subtracted from another, and no result depends on the threads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..geometry import planes
from ..jit import REASSOCIATE, jit

# Elements of a block of rows: 256 KiB of float32, which the second-level cache holds.
_BLOCK = 65536


def forward(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y of x's shape (N, C, ...), mean (C,) and invstd (C,); see reference.py. y lies in memory as x does."""
    by_rows, x = _arranged(x)
    y = np.empty_like(x)
    mean, invstd = np.empty((2, x.shape[1]), x.dtype)
    weight, bias = _affine(weight, bias, x)
    if by_rows:
        _forward_rows(_rows(x), weight, bias, eps, _rows(y), mean, invstd)
    else:
        _forward_planes(planes(x), weight, bias, eps, planes(y), mean, invstd)
    return y, mean, invstd


def inference(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
) -> np.ndarray:
    """y = (x - mean) / sqrt(var + eps) weight + bias; see reference.py. y lies in memory as x does."""
    by_rows, x = _arranged(x)
    y = np.empty_like(x)
    weight, bias = _affine(weight, bias, x)
    mean = np.ascontiguousarray(mean, x.dtype)
    scale = (weight / np.sqrt(var.astype(np.float64) + eps)).astype(x.dtype)
    if by_rows:
        _scale_rows(_rows(x), mean, scale, bias, _rows(y))
    else:
        _scaleplanes(planes(x), mean, scale, bias, planes(y))
    return y


def backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray | None, mean: np.ndarray, invstd: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """dx of x's shape, dweight (None without a weight) and dbias (C,); see reference.py."""
    by_rows, x = _arranged(x)
    if dy.strides != x.strides:
        reordered = np.empty_like(x)
        reordered[...] = dy
        dy = reordered
    dx = np.empty_like(x)
    dweight, dbias = np.empty((2, x.shape[1]), x.dtype)
    scale, _ = _affine(weight, None, x)
    if by_rows:
        _backward_rows(_rows(dy), _rows(x), scale, mean, invstd, _rows(dx), dweight, dbias)
    else:
        _backward_planes(planes(dy), planes(x), scale, mean, invstd, planes(dx), dweight, dbias)
    return dx, None if weight is None else dweight, dbias


def _arranged(x: np.ndarray) -> tuple[bool, np.ndarray]:
    """Whether x's channels lie side by side in memory, and x, copied if it lies neither so nor contiguous."""
    if np.moveaxis(x, 1, -1).flags.c_contiguous and (x.ndim == 2 or not x.flags.c_contiguous):
        return True, x
    x = np.ascontiguousarray(x)
    return x.ndim == 2, x


def _rows(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, -1).reshape(x.size // max(1, x.shape[1]), x.shape[1])


def _affine(weight: np.ndarray | None, bias: np.ndarray | None, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = np.ones(x.shape[1], x.dtype) if weight is None else np.ascontiguousarray(weight)
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    return weight, bias


@jit(parallel=True, fastmath=REASSOCIATE)
def _forward_planes(x, weight, bias, eps, y, mean, invstd):
    """x and y (N, C, L)."""
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
        inverse = 1 / np.sqrt(deviations / max(1, n * length) + eps)
        mean[c] = average
        invstd[c] = inverse
        scale = x.dtype.type(weight[c] * inverse)
        for i in range(n):
            for k in range(length):
                y[i, c, k] = (x[i, c, k] - mean[c]) * scale + bias[c]


@jit(parallel=True, fastmath=REASSOCIATE)
def _forward_rows(x, weight, bias, eps, y, mean, invstd):
    """x and y (M, C)."""
    rows, channels = x.shape
    height = max(1, _BLOCK // max(1, channels))
    blocks = (rows + height - 1) // height
    centres = np.zeros((blocks, channels))
    squares = np.zeros((blocks, channels))
    for block in prange(blocks):
        first, last = block * height, min(rows, (block + 1) * height)
        centre, square = centres[block], squares[block]
        for row in range(first, last):
            for c in range(channels):
                centre[c] += np.float64(x[row, c])
        for c in range(channels):
            centre[c] /= last - first
        for row in range(first, last):
            for c in range(channels):
                deviation = np.float64(x[row, c]) - centre[c]
                square[c] += deviation * deviation
    average = np.zeros(channels)
    deviations = np.zeros(channels)
    for block in range(blocks):
        before = block * height
        count = min(height, rows - before)
        for c in range(channels):
            step = centres[block, c] - average[c]
            average[c] += step * count / (before + count)
            deviations[c] += squares[block, c] + step * step * count * before / (before + count)
    scale = np.empty(channels, x.dtype)
    for c in range(channels):
        inverse = 1 / np.sqrt(deviations[c] / max(1, rows) + eps)
        mean[c] = average[c]
        invstd[c] = inverse
        scale[c] = weight[c] * inverse
    for block in prange(blocks):
        for row in range(block * height, min(rows, (block + 1) * height)):
            for c in range(channels):
                y[row, c] = (x[row, c] - mean[c]) * scale[c] + bias[c]


@jit(parallel=True)
def _scaleplanes(x, mean, scale, bias, y):
    n, channels, length = x.shape
    for plane in prange(n * channels):
        i, c = plane // channels, plane % channels
        for k in range(length):
            y[i, c, k] = (x[i, c, k] - mean[c]) * scale[c] + bias[c]


@jit(parallel=True)
def _scale_rows(x, mean, scale, bias, y):
    rows, channels = x.shape
    for row in prange(rows):
        for c in range(channels):
            y[row, c] = (x[row, c] - mean[c]) * scale[c] + bias[c]


@jit(parallel=True, fastmath=REASSOCIATE)
def _backward_planes(dy, x, weight, mean, invstd, dx, dweight, dbias):
    """dy, x and dx (N, C, L): one pass for the two sums, one for dx."""
    n, channels, length = x.shape
    for c in prange(channels):
        total = 0.0
        moment = 0.0
        for i in range(n):
            grad, plane = dy[i, c], x[i, c]
            for k in range(length):
                total += np.float64(grad[k])
                moment += np.float64(grad[k]) * np.float64(plane[k] - mean[c])
        moment *= invstd[c]
        dweight[c] = moment
        dbias[c] = total
        count = max(1, n * length)
        scale = weight[c] * invstd[c]
        average = x.dtype.type(total / count)
        slope = x.dtype.type(moment / count * invstd[c])
        for i in range(n):
            for k in range(length):
                dx[i, c, k] = scale * (dy[i, c, k] - average - (x[i, c, k] - mean[c]) * slope)


@jit(parallel=True, fastmath=REASSOCIATE)
def _backward_rows(dy, x, weight, mean, invstd, dx, dweight, dbias):
    """dy, x and dx (M, C): one pass for the two sums, one for dx."""
    rows, channels = x.shape
    height = max(1, _BLOCK // max(1, channels))
    blocks = (rows + height - 1) // height
    totals = np.zeros((blocks, channels))
    moments = np.zeros((blocks, channels))
    for block in prange(blocks):
        total, moment = totals[block], moments[block]
        for row in range(block * height, min(rows, (block + 1) * height)):
            for c in range(channels):
                total[c] += np.float64(dy[row, c])
                moment[c] += np.float64(dy[row, c]) * np.float64(x[row, c] - mean[c])
    scale = np.empty(channels, x.dtype)
    average = np.empty(channels, x.dtype)
    slope = np.empty(channels, x.dtype)
    for c in range(channels):
        total_c = 0.0
        moment_c = 0.0
        for block in range(blocks):
            total_c += totals[block, c]
            moment_c += moments[block, c]
        moment_c *= invstd[c]
        dweight[c] = moment_c
        dbias[c] = total_c
        scale[c] = weight[c] * invstd[c]
        average[c] = total_c / max(1, rows)
        slope[c] = moment_c / max(1, rows) * invstd[c]
    for block in prange(blocks):
        for row in range(block * height, min(rows, (block + 1) * height)):
            for c in range(channels):
                dx[row, c] = scale[c] * (dy[row, c] - average[c] - (x[row, c] - mean[c]) * slope[c])
