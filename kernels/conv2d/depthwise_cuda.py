"""Depthwise convolution on a GPU: a window for each channel, and no sums over channels. See depthwise.cu."""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import GRID_Y, check_image, real
from ..geometry import output_size
from ..types import Pair
from .transpose_cuda import channels_last, transpose

# Output pixels that a block of 8 warps sums for the weights' gradient: a warp 128, enough to outweigh its start.
PIXELS = 1024
MOST_SPLITS = 256  # a multiple of the parts that are added at a time


def forward(x, weight, bias, stride: Pair, padding: Pair, dilation: Pair):
    """y (N, C, OH, OW) from x (N, C, H, W), weight (C, 1, KH, KW) and bias (C) or None."""
    source = channels_last(x)
    out_size = map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = array_module(x).empty((len(x), *out_size, len(weight)), x.dtype)
    layer = _layer(source, y, weight.shape[2:], stride, padding, dilation)
    _launch("depthwise_forward", _blocks(y), (source, _taps_first(weight), bias, y), layer)
    return y.transpose(0, 3, 1, 2)


def input_gradient(dy, weight, input_shape: tuple, stride: Pair, padding: Pair, dilation: Pair):
    """dx of `input_shape`."""
    source = channels_last(dy)
    batch, channels, height, width = input_shape
    dx = array_module(dy).empty((batch, height, width, channels), dy.dtype)
    layer = _layer(dx, source, weight.shape[2:], stride, padding, dilation)
    _launch("depthwise_input_gradient", _blocks(dx), (source, _taps_first(weight), dx), layer)
    return dx.transpose(0, 3, 1, 2)


def weight_gradient(dy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair):
    """dweight (C, 1, *kernel_size)."""
    xp = array_module(dy)
    source, target = channels_last(x), channels_last(dy)
    channels, taps = dy.shape[1], kernel_size[0] * kernel_size[1]
    pixels = target.size // channels
    check_image("conv2d", *target.shape[:3])  # the kernel counts all pixels in 32 bits
    splits = min(MOST_SPLITS, -(-pixels // PIXELS))
    if splits > 16:
        splits -= splits % 16
    per_split = -(-pixels // splits)
    parts = xp.empty((splits, taps, channels), dy.dtype)
    layer = _layer(source, target, kernel_size, stride, padding, dilation)
    blocks = (-(-channels // 32), taps, splits)
    _launch("depthwise_weight_gradient", blocks, (target, source, parts, np.int32(per_split)), layer)
    dweight = xp.empty((channels, 1, *kernel_size), dy.dtype)
    transpose(parts, dweight, 1, taps, channels, splits)
    return dweight


def _layer(x, y, *geometry: Pair) -> tuple:
    """The numbers that the kernels know a layer by, from x (N, H, W, C) and y (N, OH, OW, C)."""
    batch, height, width, channels = x.shape
    return (batch, channels, height, width, *y.shape[1:3], *(number for pair in geometry for number in pair))


def _taps_first(weight):
    """Weights (C, 1, KH, KW) as (KH KW, C)."""
    xp = array_module(weight)
    out = xp.empty((weight[0].size, len(weight)), weight.dtype)
    transpose(xp.ascontiguousarray(weight), out, 1, len(weight), weight[0].size)
    return out


def _blocks(target) -> tuple[int, int]:
    """A thread for each number of a picture (N, H, W, C), a row of blocks for each picture."""
    check_image("conv2d", *target.shape[1:])
    return -(-math.prod(target.shape[1:]) // 256), min(len(target), GRID_Y)


def _launch(function: str, grid: tuple[int, ...], args: tuple, layer: tuple) -> None:
    if not all(grid):
        return
    defines = (real("conv2d", args[0]),)
    launch("conv2d/depthwise.cu", function, grid, (256,), (*args, *map(np.int32, layer)), defines=defines)
