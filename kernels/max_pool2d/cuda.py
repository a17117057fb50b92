"""Max-pooling on a GPU: the launches of max_pool2d.cu, which describes the kernels."""

from __future__ import annotations

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import check_image, integers, real, tiles, vector
from ..geometry import is_channels_last, output_size
from ..types import Array, Pair, Shape

_FILE = "max_pool2d/max_pool2d.cu"


def forward(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Array, Array]:
    """y and index (N, C, OH, OW), the places of the winners in their windows; see reference.py.

    Channels-last memory stays channels-last.
    """
    xp = array_module(x)
    n, c, height, width = x.shape
    check_image("max_pool2d", c, height, width)
    out_h = output_size(height, kernel_size[0], stride[0], padding[0], dilation[0], ceil_mode)
    out_w = output_size(width, kernel_size[1], stride[1], padding[1], dilation[1], ceil_mode)
    tap = np.min_scalar_type(kernel_size[0] * kernel_size[1] - 1)
    last = is_channels_last(x)
    x = x.transpose(0, 2, 3, 1) if last else xp.ascontiguousarray(x)
    shape = (n, out_h, out_w, c) if last else (n, c, out_h, out_w)
    y, index = xp.empty(shape, x.dtype), xp.empty(shape, tap)
    if y.size:
        images, channels = (n, c) if last else (n * c, 1)
        packed = vector(channels, x)
        grid, block = tiles(out_h * out_w * channels // packed, images)
        sizes = integers(images, height, width, channels, out_h, out_w, kernel_size, stride, padding, dilation)
        _launch("forward", grid, block, (x, y, index, *sizes), x, packed, tap)
    return (y.transpose(0, 3, 1, 2), index.transpose(0, 3, 1, 2)) if last else (y, index)


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

    See reference.py. The result lies in memory as index does.
    """
    xp = array_module(dy)
    n, c, height, width = input_shape
    check_image("max_pool2d", c, height, width)
    out_h, out_w = dy.shape[2:]
    last = is_channels_last(index)
    if last:
        dy, index = dy.transpose(0, 2, 3, 1), index.transpose(0, 2, 3, 1)
        gate = None if gate is None else gate.transpose(0, 2, 3, 1)
    dy, index = xp.ascontiguousarray(dy), xp.ascontiguousarray(index)
    gate = None if gate is None else xp.ascontiguousarray(gate)
    dx = xp.empty((n, height, width, c) if last else input_shape, dy.dtype)
    if dx.size:
        images, channels = (n, c) if last else (n * c, 1)
        packed = vector(channels, dy, index, gate)
        if _tile(input_shape, dy.size, kernel_size, stride, padding, dilation):
            grid, block = tiles(out_h * out_w * channels // packed, images)
            arguments = dy, index, gate, dx, *integers(images, channels, out_h, out_w, kernel_size)
            _launch("backward_tiles", grid, block, arguments, dy, packed, index.dtype)
        else:
            grid, block = tiles(height * width * channels // packed, images)
            sizes = integers(images, height, width, channels, out_h, out_w, kernel_size, stride, padding, dilation)
            _launch("backward", grid, block, (dy, index, gate, dx, *sizes), dy, packed, index.dtype)
    return dx.transpose(0, 3, 1, 2) if last else dx


def flat_index(
    index: Array, input_shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Places in the plane, int64, counted row by row over H * W, from places in the windows."""
    xp = array_module(index)
    n, c, out_h, out_w = index.shape
    last = is_channels_last(index)
    index = index.transpose(0, 2, 3, 1) if last else xp.ascontiguousarray(index)
    places = xp.empty(index.shape, np.int64)
    if places.size:
        images, channels = (n, c) if last else (n * c, 1)
        grid, block = tiles(out_h * out_w * channels, images)
        sizes = integers(images, input_shape[3], channels, out_h, out_w, kernel_size[1], stride, padding, dilation)
        _launch("flat_index", grid, block, (index, places, *sizes), None, 1, index.dtype)
    return places.transpose(0, 3, 1, 2) if last else places


def _launch(what: str, grid, block, arguments, numbers, packed: int, tap) -> None:
    number = ("REAL", "float") if numbers is None else real("max_pool2d", numbers)
    defines = (number, ("VECTOR", packed), ("TAP", tap.itemsize))
    launch(_FILE, f"max_pool2d_{what}", grid, block, arguments, defines=defines)


def _tile(input_shape, windows: int, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> bool:
    """Whether the windows cover every element of the input once, and nothing else."""
    elements = windows * kernel_size[0] * kernel_size[1]
    once = tuple(kernel_size) == tuple(stride) and tuple(padding) == (0, 0) and tuple(dilation) == (1, 1)
    return once and elements == np.prod(input_shape)
