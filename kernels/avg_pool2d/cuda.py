"""Average-pooling on a GPU: the launches of avg_pool2d.cu, which describes the kernels."""

from __future__ import annotations

from ..cuda import array_module, launch
from ..cuda.shapes import GRID_Y, THREADS, check_image, integers, power_of_two, real, tiles, vector
from ..geometry import is_channels_last, output_size
from ..types import Array, Pair, Shape

# A window of 16 elements and more is shared by the threads of a block where there are fewer results than threads that
# an H200 runs at once, 132 times 2048: in global pooling, of 4x4 too.
_LARGE, _MANY = 16, 132 * 2048


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
    xp = array_module(x)
    n, c, height, width = x.shape
    check_image("avg_pool2d", c, height, width)
    out_h = output_size(height, kernel_size[0], stride[0], padding[0], ceil_mode=ceil_mode)
    out_w = output_size(width, kernel_size[1], stride[1], padding[1], ceil_mode=ceil_mode)
    last = is_channels_last(x)
    x = x.transpose(0, 2, 3, 1) if last else xp.ascontiguousarray(x)
    y = xp.empty((n, out_h, out_w, c) if last else (n, c, out_h, out_w), x.dtype)
    if y.size:
        images, channels = (n, c) if last else (n * c, 1)
        packed = vector(channels, x)
        packs = channels // packed
        windows = kernel_size, stride, padding, count_include_pad, divisor_override or 0
        sizes = integers(images, height, width, channels, out_h, out_w, *windows)
        if kernel_size[0] * kernel_size[1] < _LARGE or y.size >= _MANY * packed:
            what, (grid, block) = "forward", tiles(out_h * out_w * packs, images)
        else:
            side_by_side = power_of_two(packs, 32)  # a warp's loads are whole lines
            grid = out_h * out_w * -(-packs // side_by_side), min(images, GRID_Y)
            what, block = "forward_large", (side_by_side, THREADS // side_by_side)
        _launch(what, grid, block, (x, y, *sizes), x, packed)
    return y.transpose(0, 3, 1, 2) if last else y


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
    xp = array_module(dy)
    n, c, height, width = input_shape
    check_image("avg_pool2d", c, height, width)
    out_h, out_w = dy.shape[2:]
    last = is_channels_last(dy)
    dy = dy.transpose(0, 2, 3, 1) if last else xp.ascontiguousarray(dy)
    dx = xp.empty((n, height, width, c) if last else input_shape, dy.dtype)
    if dx.size:
        images, channels = (n, c) if last else (n * c, 1)
        packed = vector(channels, dy)
        windows = kernel_size, stride, padding, count_include_pad, divisor_override or 0
        sizes = integers(images, height, width, channels, out_h, out_w, *windows)
        grid, block = tiles(height * width * channels // packed, images)
        _launch("backward", grid, block, (dy, dx, *sizes), dy, packed)
    return dx.transpose(0, 3, 1, 2) if last else dx


def _launch(what: str, grid, block, arguments, numbers, packed: int) -> None:
    defines = (real("avg_pool2d", numbers), ("VECTOR", packed))
    launch("avg_pool2d/avg_pool2d.cu", f"avg_pool2d_{what}", grid, block, arguments, defines=defines)
