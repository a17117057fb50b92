"""Transposes on a GPU: images and weights in the order in memory that the convolutions there read. See transpose.cu."""

from __future__ import annotations

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import real
from ..matmul.cuda import few_parts


def transpose(parts, out, batch: int, rows: int, columns: int, splits: int = 1, to_tf32: bool = False) -> None:
    """out (batch, columns, rows) = the sum of parts (splits, batch, rows, columns), each matrix transposed."""
    if splits > 1:
        parts = few_parts(parts.reshape(1, splits, -1))
        splits = parts.shape[1]
    launch(
        "conv2d/transpose.cu",
        "transpose",
        (batch * -(-rows // 32) * -(-columns // 32),),
        (256,),
        (parts, out, *map(np.int32, (batch, rows, columns, splits, to_tf32))),
        defines=(real("conv2d", out),),
    )


def channels_last(images):
    """(N, C, H, W) as the (N, H, W, C) that its memory is, copied if it is not."""
    nhwc = images.transpose(0, 2, 3, 1)
    if nhwc.flags.c_contiguous or not images.size:
        return nhwc
    xp = array_module(images)
    batch, channels, height, width = images.shape
    out = xp.empty((batch, height, width, channels), images.dtype)
    transpose(xp.ascontiguousarray(images), out, batch, channels, height * width)
    return out


def transposed_weight(weight, groups: int | None, to_tf32: bool):
    """Weights (O, C / groups, KH, KW) as (O, KH, KW, C / groups); with `groups`, as (C, KH, KW, O / groups)."""
    xp = array_module(weight)
    out_channels, group_in, *kernel = weight.shape
    taps = kernel[0] * kernel[1]
    if groups is None:
        out = xp.empty((out_channels, *kernel, group_in), weight.dtype)
        transpose(xp.ascontiguousarray(weight), out, out_channels, group_in, taps, to_tf32=to_tf32)
    else:
        out = xp.empty((group_in * groups, *kernel, out_channels // groups), weight.dtype)
        transpose(xp.ascontiguousarray(weight), out, groups, out_channels // groups, group_in * taps, to_tf32=to_tf32)
    return out
