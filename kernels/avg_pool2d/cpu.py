"""Average-pooling with Numba: by planes for NCHW memory, by pixels for channels-last."""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import jit, team
from ..geometry import is_channels_last, output_size
from ..types import Array, Pair, Shape
from .reference import window_edges

# What an element of a window takes one thread, in nanoseconds.
PLANES, PIXELS = 1.0, 0.2


def forward(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """y (N, C, OH, OW) from x (N, C, H, W); see reference.py. Channels-last memory stays channels-last."""
    n, c, height, width = x.shape
    out_h = output_size(height, kernel_size[0], stride[0], padding[0], ceil_mode=ceil_mode)
    out_w = output_size(width, kernel_size[1], stride[1], padding[1], ceil_mode=ceil_mode)
    rows = window_edges(height, out_h, kernel_size[0], stride[0], padding[0], count_include_pad)
    columns = window_edges(width, out_w, kernel_size[1], stride[1], padding[1], count_include_pad)
    divisors = _divisors(rows, columns, divisor_override, x.dtype)
    elements = n * c * out_h * out_w * kernel_size[0] * kernel_size[1]
    if is_channels_last(x):
        y = np.empty((n, out_h, out_w, c), x.dtype)
        team(_forward_pixels, PIXELS * elements)(x.transpose(0, 2, 3, 1), rows, columns, divisors, y)
        return y.transpose(0, 3, 1, 2)
    y = np.empty((n, c, out_h, out_w), x.dtype)
    planes = np.ascontiguousarray(x).reshape(n * c, height, width)
    team(_forward_planes, PLANES * elements)(planes, rows, columns, divisors, y.reshape(n * c, out_h, out_w))
    return y


def backward(
    dy: Array,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Spread each dy (N, C, OH, OW) evenly over its window. The result lies in memory as dy does."""
    n, c, height, width = input_shape
    out_h, out_w = dy.shape[2:]
    rows = window_edges(height, out_h, kernel_size[0], stride[0], padding[0], count_include_pad)
    columns = window_edges(width, out_w, kernel_size[1], stride[1], padding[1], count_include_pad)
    divisors = _divisors(rows, columns, divisor_override, dy.dtype)
    elements = dy.size * kernel_size[0] * kernel_size[1]
    if is_channels_last(dy):
        dx = np.empty((n, height, width, c), dy.dtype)
        team(_backward_pixels, PIXELS * elements)(dy.transpose(0, 2, 3, 1), rows, columns, divisors, dx)
        return dx.transpose(0, 3, 1, 2)
    dx = np.empty(input_shape, dy.dtype)
    planes = np.ascontiguousarray(dy).reshape(n * c, out_h, out_w)
    team(_backward_planes, PLANES * elements)(planes, rows, columns, divisors, dx.reshape(n * c, height, width))
    return dx


def _divisors(rows: np.ndarray, columns: np.ndarray, override: int | None, dtype: np.dtype) -> np.ndarray:
    divisors = rows[:, 2:] * columns[:, 2]
    return (np.full_like(divisors, override) if override else divisors).astype(dtype)


@jit(parallel=True)
def _forward_planes(x, rows, columns, divisors, y):
    planes, out_h, out_w = y.shape
    for plane in prange(planes):
        for i in range(out_h):
            for j in range(out_w):
                total = x.dtype.type(0)
                for h in range(rows[i, 0], rows[i, 1]):
                    for w in range(columns[j, 0], columns[j, 1]):
                        total += x[plane, h, w]
                y[plane, i, j] = total / divisors[i, j]


@jit(parallel=True)
def _backward_planes(dy, rows, columns, divisors, dx):
    planes, out_h, out_w = dy.shape
    for plane in prange(planes):
        dx[plane] = 0
        for i in range(out_h):
            for j in range(out_w):
                share = dy[plane, i, j] / divisors[i, j]
                for h in range(rows[i, 0], rows[i, 1]):
                    for w in range(columns[j, 0], columns[j, 1]):
                        dx[plane, h, w] += share


@jit(parallel=True)
def _forward_pixels(x, rows, columns, divisors, y):
    n, out_h, out_w, channels = y.shape
    for task in prange(n * out_h):
        image, i = task // out_h, task % out_h
        for j in range(out_w):
            total = y[image, i, j]
            total[:] = 0
            for h in range(rows[i, 0], rows[i, 1]):
                for w in range(columns[j, 0], columns[j, 1]):
                    for c in range(channels):
                        total[c] += x[image, h, w, c]
            for c in range(channels):
                total[c] /= divisors[i, j]


@jit(parallel=True)
def _backward_pixels(dy, rows, columns, divisors, dx):
    n, out_h, out_w, channels = dy.shape
    for image in prange(n):
        dx[image] = 0
        for i in range(out_h):
            for j in range(out_w):
                for h in range(rows[i, 0], rows[i, 1]):
                    for w in range(columns[j, 0], columns[j, 1]):
                        for c in range(channels):
                            dx[image, h, w, c] += dy[image, i, j, c] / divisors[i, j]
