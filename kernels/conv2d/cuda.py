"""2-D convolution and its two gradients on a GPU: the algorithm, how its work is cut, and what must be transposed.

All functions take and return plain device arrays of float32 or float64, of any strides, shaped as in `reference.py`.
Results lie channels-last in memory, weights' gradients as weights do. No sums by atomics: results are
bitwise reproducible.

"tensor_cores"  float32 rounded to TF32, where the switch allows it and the device can (sm_80)
"exact"         float32 or float64 on the plain cores, any device
"depthwise"     float32 or float64, one channel in each group
"im2col"        the columns materialised, and a matrix product: readable, and the reference in tests of the others
"""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, capability, launch
from ..cuda.precision import allow_tf32
from ..cuda.shapes import real
from ..cuda.tiling import EXACT, EXACT_DOUBLE, TENSOR_CORES, Tile, cut, ring_bytes
from ..geometry import output_size
from ..matmul.cuda import sum_parts
from ..reduction.cuda import sum_middle
from ..types import Array, Pair, Shape
from . import depthwise_cuda as depthwise
from . import im2col_cuda as im2col
from .transpose_cuda import channels_last, transpose, transposed_weight


def choose_algorithm(dtype: np.dtype, depthwise: bool) -> str:
    """The fastest algorithm whose rounding the caller allows."""
    if depthwise:
        return "depthwise"  # each channel's product would fill one column of a tile
    rounds = dtype == np.float32 and allow_tf32("conv") and capability() >= (8, 0)
    return "tensor_cores" if rounds else "exact"


def _algorithm(asked: str | None, dtype: np.dtype, weight_shape: tuple, groups: int) -> str:
    depthwise = weight_shape[1] == 1 and weight_shape[0] == groups > 1
    if asked is None:
        return choose_algorithm(dtype, depthwise)
    fitting = ["exact", "im2col"]
    if depthwise:
        fitting.append("depthwise")
    if dtype == np.float32 and capability() >= (8, 0):
        fitting.append("tensor_cores")
    if asked not in fitting:
        raise ValueError(f"conv2d: algorithm={asked!r} does not compute {dtype} here; use one of {', '.join(fitting)}")
    return asked


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    *,
    scale: Array | None = None,
    relu: bool = False,
    algorithm: str | None = None,
) -> Array:
    """y (N, O, OH, OW) from x (N, C, H, W), weight (O, C // groups, KH, KW) and bias (O) or None.

    A `scale` (O) multiplies the weights, of which there are fewer than outputs.
    """
    if scale is not None:
        weight = weight * scale[:, None, None, None]
    y = _forward(x, weight, bias, stride, padding, dilation, groups, algorithm)
    return array_module(y).maximum(y, 0, out=y) if relu else y


def _forward(x, weight, bias, stride: Pair, padding: Pair, dilation: Pair, groups: int, algorithm: str | None) -> Array:
    algorithm = _algorithm(algorithm, x.dtype, weight.shape, groups)
    if bias is not None:
        bias = array_module(x).ascontiguousarray(bias)
    if algorithm == "depthwise":
        return depthwise.forward(x, weight, bias, stride, padding, dilation)
    if algorithm == "im2col":
        return im2col.forward(x, weight, bias, stride, padding, dilation, groups)
    out_h, out_w = map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation)
    source = channels_last(x)
    chunk = _chunk(algorithm, (weight.shape[1],), source)
    geometry = (*weight.shape[2:], *stride, *padding, *dilation, groups)
    weight = transposed_weight(weight, None, chunk > 0)
    target_shape = (len(x), out_h, out_w, len(weight))
    y = _convolve("conv2d_forward", chunk, source, weight, (bias,), target_shape, geometry, (1, 1))
    return y.transpose(0, 3, 1, 2)


def input_gradient(
    dy: Array,
    weight: Array,
    input_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    *,
    algorithm: str | None = None,
) -> Array:
    """dx of `input_shape` from dy (N, O, OH, OW); also what a transposed convolution computes forward."""
    algorithm = _algorithm(algorithm, dy.dtype, weight.shape, groups)
    if algorithm == "depthwise":
        return depthwise.input_gradient(dy, weight, input_shape, stride, padding, dilation)
    if algorithm == "im2col":
        return im2col.input_gradient(dy, weight, input_shape, stride, padding, dilation, groups)
    batch, channels, height, width = input_shape
    source = channels_last(dy)
    chunk = _chunk(algorithm, (len(weight) // groups,), source)
    geometry = (*weight.shape[2:], *stride, *padding, *dilation, groups)
    weight = transposed_weight(weight, groups, chunk > 0)
    target_shape = (batch, height, width, channels)
    dx = _convolve("conv2d_input_gradient", chunk, source, weight, (), target_shape, geometry, stride)
    return dx.transpose(0, 3, 1, 2)


def weight_gradient(
    dy: Array,
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    *,
    dbias: Array | None = None,
    algorithm: str | None = None,
) -> Array:
    """dweight (O, C // groups, *kernel_size) from dy (N, O, OH, OW) and x; `dbias` (O), if given, is written."""
    if dbias is not None:
        dbias[...] = sum_middle(channels_last(dy).reshape(1, -1, dy.shape[1]))[0]
    weight_shape = dy.shape[1], x.shape[1] // groups, *kernel_size
    algorithm = _algorithm(algorithm, dy.dtype, weight_shape, groups)
    xp = array_module(dy)
    if not dy.size:
        return xp.zeros(weight_shape, dy.dtype)
    if algorithm == "depthwise":
        return depthwise.weight_gradient(dy, x, kernel_size, stride, padding, dilation)
    if algorithm == "im2col":
        return im2col.weight_gradient(dy, x, kernel_size, stride, padding, dilation, groups)
    source, target = channels_last(x), channels_last(dy)
    group_in, group_out = x.shape[1] // groups, dy.shape[1] // groups
    taps = kernel_size[0] * kernel_size[1]
    chunk = _chunk(algorithm, (group_in, group_out), source, target)
    pixels = target.size // dy.shape[1]
    _check_sizes(math.prod(source.shape[1:]), group_in * taps * dy.shape[1], pixels)
    tile, splits, per_split = cut(_tiles(chunk, dy.dtype), group_out, taps * group_in, pixels, groups)
    parts = xp.empty((splits, dy.shape[1], taps, group_in), dy.dtype)
    tiles = -(-group_out // tile.rows), -(-taps * group_in // tile.columns)
    layer = (*source.shape, *target.shape[1:], *kernel_size, *stride, *padding, *dilation, groups)
    numbers = (*tiles, splits, per_split, *layer)
    _launch("conv2d_weight_gradient", chunk, tile, math.prod(tiles) * splits * groups, (target, source, parts), numbers)
    dweight = xp.empty(weight_shape, dy.dtype)
    transpose(parts, dweight, dy.shape[1], taps, group_in, splits)
    return dweight


def _convolve(function: str, chunk: int, source, weight, bias: tuple, target_shape: tuple, geometry: tuple, step: Pair):
    """The windows of source (N, H, W, C) times weight, as (N, H, W, C) of `target_shape`.

    The pixels that lie `step` apart are one class, computed together; there are step[0] * step[1] of these.
    """
    xp = array_module(source)
    target = xp.empty(target_shape, source.dtype)
    if not target.size:
        return target
    batch, height, width, channels = target_shape
    groups, classes = geometry[-1], step[0] * step[1]
    _check_sizes(math.prod(source.shape[1:]), weight.size, batch * height * width)
    # The most pixels of a class, and the most taps: those of one class lie stride / gcd(stride, dilation) apart.
    rows = batch * -(-height // step[0]) * -(-width // step[1])
    depth = weight.shape[3]
    for taps, apart, dilation in zip(weight.shape[1:3], step, geometry[6:8], strict=True):
        depth *= -(-taps // (apart // math.gcd(apart, dilation)))
    tile, splits, per_split = cut(_tiles(chunk, source.dtype), rows, channels // groups, depth, groups * classes)
    tiles = -(-rows // tile.rows), -(-channels // groups // tile.columns)
    parts = target if splits == 1 else xp.empty((1, splits, *target_shape), source.dtype)
    blocks = math.prod(tiles) * splits * groups * classes
    kernel_bias = bias if splits == 1 else (None,) * len(bias)
    numbers = (*tiles, splits, per_split, *source.shape, height, width, channels, *geometry)
    _launch(function, chunk, tile, blocks, (source, weight, *kernel_bias, parts), numbers)
    if splits > 1:
        sum_parts(parts, target[None], bias[0] if bias else None)
    return target


def _chunk(algorithm: str, channels: tuple[int, ...], *images) -> int:
    """How many neighbours tensor_cores.cu copies at a time: 4 (16 bytes) where all lie so; 0 stands for exact.cu."""
    if algorithm == "exact":
        return 0
    aligned = all(number % 4 == 0 for number in channels) and all(image.data.ptr % 16 == 0 for image in images)
    return 4 if aligned else 1


def _tiles(chunk: int, dtype: np.dtype) -> tuple[Tile, ...]:
    if chunk:
        return TENSOR_CORES if chunk == 4 else TENSOR_CORES[1:]  # the largest is for layers of many channels
    return EXACT if dtype == np.float32 else EXACT_DOUBLE


def _check_sizes(picture: int, weight: int, pixels: int) -> None:
    """The kernels count these in 32 bits, and somewhat beyond them, as tiles hang over."""
    for what, size in (("picture", picture), ("weight", weight), ("batch's output pixels", pixels)):
        if size > 2**30:
            raise ValueError(f"conv2d: a {what} of {size} elements is too large; at most 2**30 fit")


def _launch(function: str, chunk: int, tile: Tile, blocks: int, arrays: tuple, numbers: tuple) -> None:
    args = (*arrays, *map(np.int32, numbers))
    if chunk:
        defines = ("BM", tile.rows), ("BN", tile.columns), ("CHUNK", chunk)
        launch(
            "conv2d/tensor_cores.cu", function, (blocks,), (128,), args, shared=ring_bytes(tile, chunk), defines=defines
        )
    else:
        defines = real("conv2d", arrays[0]), ("TILE", tile.rows)
        launch("conv2d/exact.cu", function, (blocks,), (256,), args, defines=defines)
