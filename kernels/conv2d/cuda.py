"""2-D convolution and its two gradients on a GPU: which algorithm runs, how its work is cut, and what it needs turned.

All functions take and return plain device arrays of float32 or float64, of any strides, shaped as in `reference.py`.
Results lie channels-last in memory, weights' gradients as weights do. Two runs are bit-equal: nothing is added by atomics.

"tensor"   tensor_cores.cu: float32 rounded to TF32, where the switch allows it and the device can (sm_80)
"exact"    exact.cu: float32 or float64 on the plain cores, any device
"im2col"   im2col.cu and a matrix product: the readable one, and an oracle for the others
"""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, launch
from ..cuda.tiling import EXACT, EXACT_DOUBLE, cut
from ..geometry import Pair, output_size
from ..matmul.cuda import sum_parts

ALGORITHMS = ("tensor", "exact", "im2col")


def forward(
    x,
    weight,
    bias,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
):
    """y (N, O, OH, OW) from x (N, C, H, W), weight (O, C // groups, KH, KW) and bias (O) or None."""
    out_h, out_w = map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation)
    source, target_shape = _channels_last(x), (len(x), out_h, out_w, len(weight))
    weight = _turned_weight(weight)
    bias = None if bias is None else array_module(x).ascontiguousarray(bias)
    geometry = (*weight.shape[1:3], *stride, *padding, *dilation, groups)
    y = _convolve("conv2d_forward", source, weight, (bias,), target_shape, geometry, (1, 1))
    return y.transpose(0, 3, 1, 2)


def input_gradient(
    dy,
    weight,
    input_shape: tuple,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
):
    """dx of `input_shape` from dy (N, O, OH, OW); also what a transposed convolution computes forward."""
    batch, channels, height, width = input_shape
    kernel = weight.shape[2:]
    weight = _turned_weight(weight, groups)
    geometry = (*kernel, *stride, *padding, *dilation, groups)
    target_shape = (batch, height, width, channels)
    dx = _convolve("conv2d_input_gradient", _channels_last(dy), weight, (), target_shape, geometry, stride)
    return dx.transpose(0, 3, 1, 2)


def weight_gradient(
    dy,
    x,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
):
    """dweight (O, C // groups, *kernel_size) from dy (N, O, OH, OW) and x."""
    xp = array_module(dy)
    out_channels, group_in = dy.shape[1], x.shape[1] // groups
    taps = kernel_size[0] * kernel_size[1]
    source, target = _channels_last(x), _channels_last(dy)
    pixels = target.size // out_channels
    dweight = xp.empty((out_channels, group_in, *kernel_size), dy.dtype)
    if not pixels:
        dweight[...] = 0
        return dweight
    tiles = EXACT if dy.dtype == np.float32 else EXACT_DOUBLE
    tile, splits, per_split = cut(tiles, out_channels // groups, taps * group_in, pixels, groups)
    parts = xp.empty((splits, out_channels, taps, group_in), dy.dtype)
    tiles_m, tiles_n = -(-out_channels // groups // tile.rows), -(-taps * group_in // tile.columns)
    layer = (*source.shape, *target.shape[1:], *kernel_size, *stride, *padding, *dilation, groups)
    launch(
        "conv2d/exact.cu",
        "conv2d_weight_gradient",
        (tiles_m * tiles_n * splits * groups,),
        (256,),
        (target, source, parts, *map(np.int32, (tiles_m, tiles_n, splits, per_split, *layer))),
        defines=_defines(dy.dtype, tile),
    )
    turn(parts, dweight, out_channels, taps, group_in, splits)
    return dweight


def _convolve(function: str, source, weight, bias: tuple, target_shape: tuple, geometry: tuple, classes: Pair):
    """The windows of source (N, H, W, C) times weight, as (N, H, W, C) of `target_shape`; `classes` of pixels apart."""
    xp = array_module(source)
    target = xp.empty(target_shape, source.dtype)
    if not target.size:
        return target
    batch, height, width, channels = target_shape
    groups, count = geometry[-1], classes[0] * classes[1]
    # The most pixels of a class, and the most taps: those of one class lie stride / gcd(stride, dilation) apart.
    rows = batch * -(-height // classes[0]) * -(-width // classes[1])
    depth = weight.shape[3]
    for taps, step, dilation in zip(weight.shape[1:3], classes, geometry[6:8], strict=True):
        depth *= -(-taps // (step // math.gcd(step, dilation)))
    tiles = EXACT if source.dtype == np.float32 else EXACT_DOUBLE
    tile, splits, per_split = cut(tiles, rows, channels // groups, depth, groups * count)
    tiles_m, tiles_n = -(-rows // tile.rows), -(-channels // groups // tile.columns)
    parts = target if splits == 1 else xp.empty((1, splits, *target_shape), source.dtype)
    layer = (*source.shape, height, width, channels, *geometry)
    launch(
        "conv2d/exact.cu",
        function,
        (tiles_m * tiles_n * splits * groups * count,),
        (256,),
        (
            *(source, weight),
            *(bias if splits == 1 else (None,) * len(bias)),
            *(parts, *map(np.int32, (tiles_m, tiles_n, splits, per_split, *layer))),
        ),
        defines=_defines(source.dtype, tile),
    )
    if splits > 1:
        sum_parts(parts, bias[0] if bias else None, target[None])
    return target


def _defines(dtype, tile) -> tuple:
    return ("REAL", "float" if dtype == np.float32 else "double"), ("TILE", tile.rows)


def turn(parts, out, batch: int, rows: int, columns: int, splits: int = 1, to_tf32: bool = False) -> None:
    """out (batch, columns, rows) = the sum of parts (splits, batch, rows, columns), each matrix turned."""
    launch(
        "conv2d/turn.cu",
        "turn",
        (batch * -(-rows // 32) * -(-columns // 32),),
        (256,),
        (parts, out, *map(np.int32, (batch, rows, columns, splits, to_tf32))),
        defines=(("REAL", "float" if out.dtype == np.float32 else "double"),),
    )


def _channels_last(images):
    """(N, C, H, W) as the (N, H, W, C) that its memory is, turned if it is not."""
    turned = images.transpose(0, 2, 3, 1)
    if turned.flags.c_contiguous or not images.size:
        return turned
    images = array_module(images).ascontiguousarray(images)
    batch, channels, height, width = images.shape
    out = array_module(images).empty((batch, height, width, channels), images.dtype)
    turn(images, out, batch, channels, height * width)
    return out


def _turned_weight(weight, groups: int | None = None):
    """Weights (O, C / groups, KH, KW) as (O, KH, KW, C / groups); with `groups`, as (C, KH, KW, O / groups)."""
    xp = array_module(weight)
    weight = xp.ascontiguousarray(weight)
    out_channels, group_in, *kernel = weight.shape
    if groups is None:
        out = xp.empty((out_channels, *kernel, group_in), weight.dtype)
        turn(weight, out, out_channels, group_in, kernel[0] * kernel[1])
    else:
        out = xp.empty((group_in * groups, *kernel, out_channels // groups), weight.dtype)
        turn(weight, out, groups, out_channels // groups, group_in * kernel[0] * kernel[1])
    return out
