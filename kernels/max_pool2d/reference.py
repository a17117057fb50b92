"""Max-pooling in NumPy: the largest of each window, and where in the window it was."""

from __future__ import annotations

import numpy as np

from ..geometry import output_size
from ..types import Array, Pair, Shape


def forward(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Array, Array]:
    """Slide a window over x (N, C, H, W) and keep its largest element.

    Returns y (N, C, OH, OW) and index of the same shape: the winner's place in its window, counted row by
    row, in the smallest unsigned type that holds kernel_size[0] * kernel_size[1] - 1. Of equal elements the
    first wins, NaN wins over everything, and padding counts as -inf but is never chosen.
    """
    n, c, height, width = x.shape
    (kernel_h, kernel_w), (stride_h, stride_w) = kernel_size, stride
    (pad_h, pad_w), (dilation_h, dilation_w) = padding, dilation
    out_h = output_size(height, kernel_h, stride_h, pad_h, dilation_h, ceil_mode)
    out_w = output_size(width, kernel_w, stride_w, pad_w, dilation_w, ceil_mode)

    y = np.full((n, c, out_h, out_w), -np.inf, x.dtype)
    index = np.zeros((n, c, out_h, out_w), np.min_scalar_type(kernel_h * kernel_w - 1))
    chosen = np.zeros((out_h, out_w), bool)  # the windows that have met an element of x
    for i in range(kernel_h):
        for j in range(kernel_w):
            rows, in_rows = _tap(i * dilation_h - pad_h, stride_h, height, out_h)
            columns, in_columns = _tap(j * dilation_w - pad_w, stride_w, width, out_w)
            here = (..., rows, columns)
            candidate = x[..., in_rows, in_columns]
            better = (candidate > y[here]) | np.isnan(candidate) | ~chosen[rows, columns]
            y[here] = np.where(better, candidate, y[here])
            index[here] = np.where(better, i * kernel_w + j, index[here])
            chosen[rows, columns] = True
    return y, index


def backward(
    dy: Array,
    index: Array,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    *,
    gate: Array | None = None,
) -> Array:
    """Send each dy (N, C, OH, OW) to the element that won its window; windows that overlap add up.

    If x came from a ReLU, `gate` is x, and the result is the gradient before that: 0 where x is <= 0.
    """
    rows, columns = _places(index, kernel_size, stride, padding, dilation)
    # A dilated window can lie in the padding with all its taps; its winner does not exist.
    inside = (rows >= 0) & (rows < input_shape[2]) & (columns >= 0) & (columns < input_shape[3])
    n, c, _, _ = np.nonzero(inside)
    dx = np.zeros(input_shape, dy.dtype)
    np.add.at(dx, (n, c, rows[inside], columns[inside]), dy[inside])
    return dx if gate is None else np.where(gate <= 0, dx.dtype.type(0), dx)


def flat_index(
    index: Array, input_shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Places in the plane, int64, counted row by row over H * W, from places in the windows."""
    rows, columns = _places(index, kernel_size, stride, padding, dilation)
    return rows * input_shape[3] + columns


def _places(
    index: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column in the plane of each winner."""
    out_h, out_w = index.shape[2:]
    i, j = np.divmod(index.astype(np.int64), kernel_size[1])
    rows = np.arange(out_h)[:, None] * stride[0] - padding[0] + i * dilation[0]
    columns = np.arange(out_w) * stride[1] - padding[1] + j * dilation[1]
    return rows, columns


def _tap(shift: int, stride: int, size: int, out_size: int) -> tuple[slice, slice]:
    """The outputs o for which input o * stride + shift exists, and those inputs."""
    first = max(0, -(shift // stride))
    last = min(out_size, (size - 1 - shift) // stride + 1)
    last = max(first, last)
    start = first * stride + shift
    return slice(first, last), slice(start, start + (last - first) * stride, stride)
