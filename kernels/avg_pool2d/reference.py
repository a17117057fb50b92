"""Average-pooling in NumPy."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..geometry import output_size
from ..types import Array, Pair, Shape


def forward(
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """y (N, C, OH, OW): the sum of each window of x (N, C, H, W), divided.

    The divisor is divisor_override if given, else the window's size: with the padding in it if
    count_include_pad, but never what hangs over the padded end in ceil_mode.
    """
    n, c, *size = x.shape
    row_edges, column_edges = (
        window_edges(
            size[axis],
            output_size(size[axis], kernel_size[axis], stride[axis], padding[axis], ceil_mode=ceil_mode),
            kernel_size[axis],
            stride[axis],
            padding[axis],
            count_include_pad,
        )
        for axis in range(2)
    )
    y = np.zeros((n, c, len(row_edges), len(column_edges)), x.dtype)
    for i, (top, bottom, rows) in enumerate(row_edges):
        for j, (left, right, columns) in enumerate(column_edges):
            total = x[:, :, top:bottom, left:right].sum(axis=(2, 3))
            y[:, :, i, j] = total / (divisor_override or rows * columns)
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
    """Spread each dy (N, C, OH, OW) evenly over its window; windows that overlap add up."""
    row_edges, column_edges = (
        window_edges(
            input_shape[axis + 2],
            dy.shape[axis + 2],
            kernel_size[axis],
            stride[axis],
            padding[axis],
            count_include_pad,
        )
        for axis in range(2)
    )
    dx = np.zeros(input_shape, dy.dtype)
    for i, (top, bottom, rows) in enumerate(row_edges):
        for j, (left, right, columns) in enumerate(column_edges):
            share = dy[:, :, i, j] / (divisor_override or rows * columns)
            dx[:, :, top:bottom, left:right] += share[:, :, None, None]
    return dx


@cache
def window_edges(
    size: int, windows: int, kernel: int, stride: int, padding: int, count_include_pad: bool
) -> np.ndarray:
    """For each window along an axis: its first element, the one after its last, and how many it counts.

    Returns int64 (windows, 3), computed once for each geometry.
    """
    first = np.arange(windows) * stride - padding
    last = np.minimum(first + kernel, size + padding)
    inside = np.maximum(first, 0), np.maximum(np.minimum(last, size), 0)
    counted = last - first if count_include_pad else inside[1] - inside[0]
    return np.stack([*inside, counted], axis=1).astype(np.int64)
