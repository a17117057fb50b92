"""2-D convolution and its two gradients on the CPU: which algorithm runs, and why.

All functions take and return plain arrays of float32 or float64, of any strides, shaped as in `reference.py`.
Images flow channels-last through a network: a result lies channels-last in memory if what it comes from does, or
if it has CHANNELS_LAST channels, which fill the vectors of every kernel that follows. So the first layer turns
the pictures and nothing turns them back; a small network (LeNet-5) stays channels-first, as its kernels run along
the pixels. Results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from ..geometry import Pair, is_channels_last, output_size
from . import direct, im2col, pointwise, winograd

CHANNELS_LAST = 32  # two vectors of 16 float32 (AVX-512) side by side in a pixel


def choose_algorithm(
    dtype: np.dtype,
    weight_shape: tuple,
    out_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> str:
    """ "pointwise", "winograd" or "direct", the first that fits and pays."""
    out_channels, channels, *kernel = weight_shape
    if kernel == [1, 1] and padding == (0, 0) and groups == 1 and min(out_channels, channels) >= 8:
        return "pointwise"  # nothing to unfold: BLAS alone is at the machine's limit
    if (
        kernel == [3, 3]
        and stride == dilation == (1, 1)
        and max(padding) <= 2
        and groups == 1
        and dtype == np.float32  # float64 is asked for where exactness matters: gradient checks
        and min(out_channels, channels) >= 24  # the transforms and the 36 products run along the channels
        and min(out_size) >= 4  # a smaller output fills less than a tile
    ):
        return "winograd"  # a quarter of the multiplications
    return "direct"  # every geometry; the fastest for few channels, as its vectors run along pixels and images


def forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> np.ndarray:
    """y (N, O, OH, OW) from x (N, C, H, W), weight (O, C // groups, KH, KW) and bias (O) or None."""
    out_size = tuple(map(output_size, x.shape[2:], weight.shape[2:], stride, padding, dilation))
    algorithm = algorithm or choose_algorithm(x.dtype, weight.shape, out_size, stride, padding, dilation, groups)
    y = _empty((len(x), len(weight), *out_size), x)
    if algorithm == "pointwise":
        pointwise.forward(x, weight, bias, y, stride)
    elif algorithm == "winograd":
        winograd.forward(x, weight, bias, y, padding)
    elif algorithm == "im2col":
        im2col.forward(x, weight, bias, y, stride, padding, dilation, groups)
    else:
        direct.forward(x, weight, bias, y, stride, padding, dilation, groups)
    return y


def input_gradient(
    dy: np.ndarray,
    weight: np.ndarray,
    input_shape: tuple,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> np.ndarray:
    """dx of `input_shape` from dy (N, O, OH, OW); also what a transposed convolution computes forward."""
    algorithm = algorithm or choose_algorithm(dy.dtype, weight.shape, dy.shape[2:], stride, padding, dilation, groups)
    dx = _empty(input_shape, dy)
    if algorithm == "pointwise":
        pointwise.input_gradient(dy, weight, dx, stride)
    elif algorithm == "winograd":
        winograd.input_gradient(dy, weight, dx, padding)
    elif algorithm == "im2col":
        im2col.input_gradient(dy, weight, dx, stride, padding, dilation, groups)
    else:
        direct.input_gradient(dy, weight, dx, stride, padding, dilation, groups)
    return dx


def weight_gradient(
    dy: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    algorithm: str | None = None,
) -> np.ndarray:
    """dweight (O, C // groups, *kernel_size) from dy (N, O, OH, OW) and x."""
    dweight = np.empty((dy.shape[1], x.shape[1] // groups, *kernel_size), dy.dtype)
    algorithm = algorithm or choose_algorithm(dy.dtype, dweight.shape, dy.shape[2:], stride, padding, dilation, groups)
    if algorithm == "pointwise":
        pointwise.weight_gradient(dy, x, dweight, stride)
    elif algorithm == "winograd":
        winograd.weight_gradient(dy, x, dweight, padding)
    elif algorithm == "im2col":
        im2col.weight_gradient(dy, x, dweight, stride, padding, dilation, groups)
    else:
        direct.weight_gradient(dy, x, dweight, stride, padding, dilation, groups)
    return dweight


def _empty(shape: tuple, source: np.ndarray) -> np.ndarray:
    """An uninitialised array for what is made of `source`: channels-last in memory if that is or its channels fill."""
    batch, channels, height, width = shape
    if channels < CHANNELS_LAST and not is_channels_last(source):
        return np.empty(shape, source.dtype)
    return np.empty((batch, height, width, channels), source.dtype).transpose(0, 3, 1, 2)
