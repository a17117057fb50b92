"""Convolution on a GPU as im2col and a matrix product, as in `reference.py`; the tests compare the others with it.

All images' columns at once, a group's windows (G, N L, K) as rows, so that with the weights (G, O / G, K)

    forward           y (G, N L, O / G)        = columns weight^T
    weight gradient   dweight (G, O / G, K)    = dy^T columns
    input gradient    dcolumns (G, N L, K)     = dy weight,     dx = col2im(dcolumns)
"""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import real
from ..geometry import output_size
from ..matmul.cuda import matmul
from ..types import Pair


def forward(x, weight, bias, stride: Pair, padding: Pair, dilation: Pair, groups: int):
    """y (N, O, OH, OW)."""
    out_size = tuple(map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation))
    columns = _im2col(x, out_size, weight.shape[2:], stride, padding, dilation, groups)
    y = matmul(columns, weight.reshape(groups, len(weight) // groups, columns.shape[2]).swapaxes(1, 2))
    y = array_module(y).ascontiguousarray(y.swapaxes(0, 1))  # (N L, G, O / G): the groups' outputs side by side
    y = y.reshape(len(x), *out_size, len(weight))
    return (y if bias is None else y + bias).transpose(0, 3, 1, 2)


def input_gradient(dy, weight, input_shape: tuple, stride: Pair, padding: Pair, dilation: Pair, groups: int):
    """dx of `input_shape`."""
    batch, channels, height, width = input_shape
    dcolumns = matmul(_rows(dy, groups), weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:])))
    dx = array_module(dy).empty((batch, height, width, channels), dy.dtype)
    _launch("col2im", dcolumns, dx, dx.shape, dy.shape[2:], weight.shape[2:], stride, padding, dilation, groups)
    return dx.transpose(0, 3, 1, 2)


def weight_gradient(dy, x, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int):
    """dweight (O, C / groups, *kernel_size)."""
    columns = _im2col(x, dy.shape[2:], kernel_size, stride, padding, dilation, groups)
    dweight = matmul(_rows(dy, groups).swapaxes(1, 2), columns)
    return dweight.reshape(dy.shape[1], x.shape[1] // groups, *kernel_size)


def _rows(dy, groups: int):
    """dy (N, O, OH, OW) as (G, N L, O / G)."""
    batch, channels, height, width = dy.shape
    return dy.transpose(0, 2, 3, 1).reshape(batch * height * width, groups, channels // groups).swapaxes(0, 1)


def _im2col(x, out_size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int):
    """The windows of x (N, C, H, W) as rows: (groups, N OH OW, C / groups KH KW)."""
    xp = array_module(x)
    x = xp.ascontiguousarray(x.transpose(0, 2, 3, 1))
    depth = x.shape[3] // groups * kernel_size[0] * kernel_size[1]
    columns = xp.empty((groups, len(x) * out_size[0] * out_size[1], depth), x.dtype)
    _launch("im2col", x, columns, x.shape, out_size, kernel_size, stride, padding, dilation, groups)
    return columns


def _launch(function: str, source, target, shape: tuple, *geometry) -> None:
    """Run a kernel with a thread for each element of `target`."""
    if not target.size:
        return
    numbers = [number for part in (shape, *geometry) for number in (part if isinstance(part, tuple) else (part,))]
    launch(
        "conv2d/im2col.cu",
        function,
        (-(-target.size // 256),),
        (256,),
        (source, target, *map(np.int32, numbers)),
        defines=(real("conv2d", source),),
    )
