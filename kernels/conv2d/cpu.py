"""2-D convolution and its two gradients on the CPU: which algorithm runs, and why.

All functions take and return plain arrays of float32 or float64, of any strides, shaped as in `reference.py`.
Memory format: a result is channels-last if its input is, if it has at least CHANNELS_LAST channels, which fill the
vectors of every kernel that follows, or if its algorithm writes it so, as all but "direct" do. So the first layers
transpose the images and no later one transposes them back; a small network (LeNet-5) stays channels-first, as its
kernels run along the pixels. Results do not depend on the number of threads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..cpu.relayout import channels_last
from ..geometry import channels_to_end, is_channels_last, output_size
from ..precision import exact
from ..reduction.cpu import sum_middle
from ..types import Array, Pair, Shape
from . import depthwise, direct, im2col, skinny, two_by_two, winograd
from .epilogue import Epilogue

CHANNELS_LAST = 32  # two vectors of 16 float32 (AVX-512) side by side in a pixel
FEW_PIXELS = 32  # of outputs: fewer do not pay for packing the weights,
WINOGRAD_PIXELS = 64  # and up to so many, one image of 8 x 8, not for transforming them


def fits(
    dtype: np.dtype,
    weight_shape: tuple,
    out_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    gradient: bool,
) -> dict[str, bool]:
    """Which algorithms can compute a layer, forward or the two gradients."""
    out_channels, group_in, *kernel = weight_shape
    plain = kernel == [3, 3] and stride == dilation == (1, 1) and groups == 1 and dtype == np.float32
    return {
        "winograd": plain and max(padding) <= 2,
        "two_by_two": plain and padding == (1, 1) and tuple(out_size) == (2, 2),
        "depthwise": group_in == 1 and out_channels == groups,
        "skinny": groups == 1 and not gradient,
        "im2col": True,
        "direct": True,
    }


@lru_cache(maxsize=256)  # a network asks the same at every step
def choose_algorithm(
    dtype: np.dtype,
    batch: int,
    weight_shape: tuple,
    out_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    *,
    gradient: bool = False,
    weight_last: bool = False,
    exact: bool = False,
) -> str:
    """The fastest algorithm that can compute the layer, forward or for the two gradients.

    Winograd's, which rounds more, serves float32 only: float64 is asked for where exactness matters (gradient checks).
    `exact` leaves out the algorithms that transform the factors, and so round more than the plain sum.
    `weight_last` says that the weights are channels-last in memory: all but "skinny" copy such weights first.

    Milliseconds forward, float32, two cores with AVX-512             direct   im2col   winograd   skinny
    256 images,   1 ->    6 channels, 28 x 28, 5 x 5 kernel (LeNet)     0.6      2.6
    256           6 ->   16,          10 x 10, 5 x 5        (LeNet)     0.6      1.0
      1           3 ->   64,          55 x 55, 11 x 11, stride 4        2.5      0.5
      1         512 -> 2048,           7 x 7,  1 x 1                    0.8      0.7                  0.5
      1        2048 ->  512,           7 x 7,  1 x 1                    0.8      0.6                  0.5
      1         512 ->  512,           2 x 2,  3 x 3                    0.4      0.4        1.2       0.2
      1         512 ->  512,           4 x 4,  3 x 3                    0.4      0.6        1.2       0.4
      1         512 ->  512,           7 x 7,  3 x 3                    1.1      1.1        1.3       1.2
      1         128 ->  128,           8 x 8,  3 x 3                    0.12     0.10       0.12      0.22
      1         256 ->  256,          14 x 14, 3 x 3                    0.9      0.8        0.6
      1         512 ->  512,          28 x 28, 3 x 3                     15       12        5.4
    """
    out_channels, group_in = weight_shape[:2]
    group_out = out_channels // groups
    fit = fits(dtype, weight_shape, out_size, stride, padding, dilation, groups, gradient)
    if exact:
        fit["winograd"] = fit["two_by_two"] = False
    if fit["depthwise"] and groups >= 16:
        return "depthwise"  # no sums over channels: vectors along them, nothing to multiply as matrices
    wide = min(out_channels, group_in) >= 16  # the transforms run along the channels, a vector of 16 float32
    pixels = batch * out_size[0] * out_size[1]
    if fit["skinny"] and pixels <= (WINOGRAD_PIXELS if weight_last else FEW_PIXELS):
        return "skinny"  # reads the weights once, as they lie
    if fit["two_by_two"] and wide:
        return "two_by_two"  # 9 products, where winograd takes 36 and im2col 36
    tiles = batch * -(-out_size[0] // 4) * -(-out_size[1] // 4)
    # A smaller output fills half a tile at most; fewer tiles do not pay for the kernels' transform.
    if fit["winograd"] and wide and min(out_size) >= 3 and tiles >= 4 and (gradient or pixels > WINOGRAD_PIXELS):
        return "winograd"
    if group_out < 16 or (group_out < 32 and group_in < 16):
        return "direct"  # its vectors run along pixels and images
    return "im2col"


@lru_cache(maxsize=256)
def _forward_plan(
    asked: str | None, exact: bool, weight_last: bool, dtype: np.dtype, shape: tuple, weight_shape: tuple, *geometry
) -> tuple[str, Pair]:
    """The algorithm and the output's size."""
    out_size = tuple(map(output_size, shape[2:], weight_shape[2:], *geometry[:3]))
    return _algorithm(asked, exact, False, weight_last, dtype, shape[0], weight_shape, out_size, *geometry), out_size


def _algorithm(
    asked: str | None, exact: bool, gradient: bool, weight_last: bool, dtype, batch, weight_shape, out_size, *geometry
) -> str:
    if asked is None:
        return choose_algorithm(
            dtype, batch, weight_shape, out_size, *geometry, gradient=gradient, weight_last=weight_last, exact=exact
        )
    fit = fits(dtype, weight_shape, out_size, *geometry, gradient)
    if not fit.get(asked):
        fitting = ", ".join(repr(name) for name, can in fit.items() if can)
        raise ValueError(
            f"conv2d: algorithm={asked!r} does not compute weights {tuple(weight_shape)} of {dtype}, output "
            f"{tuple(out_size)}, stride {geometry[0]}, padding {geometry[1]}, dilation {geometry[2]}, groups "
            f"{geometry[3]}; use {fitting}"
        )
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

    A `scale` (O) and `relu` are fused: max(scale y + bias, 0).
    """
    geometry = stride, padding, dilation, groups
    algorithm, out_size = _forward_plan(
        algorithm, exact(), is_channels_last(weight), x.dtype, x.shape, weight.shape, *geometry
    )
    y = _empty((len(x), len(weight), *out_size), x, algorithm)
    epilogue = Epilogue.of(len(weight), y.dtype, bias, scale, relu)
    if algorithm == "winograd":
        winograd.forward(x, weight, epilogue, y, padding)
    elif algorithm == "two_by_two":
        two_by_two.forward(x, weight, epilogue, y)
    elif algorithm == "skinny":
        skinny.forward(x, weight, epilogue, y, *geometry[:3])
    elif algorithm == "im2col":
        im2col.forward(x, weight, epilogue, y, *geometry)
    elif algorithm == "depthwise":
        depthwise.forward(x, weight, epilogue, y, *geometry[:3])
    else:
        direct.forward(x, weight, epilogue, y, *geometry)
    return y


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
    geometry = stride, padding, dilation, groups
    algorithm = _algorithm(algorithm, exact(), True, False, dy.dtype, len(dy), weight.shape, dy.shape[2:], *geometry)
    dx = _empty(input_shape, dy, algorithm)
    if algorithm == "winograd":
        winograd.input_gradient(dy, weight, dx, padding)
    elif algorithm == "two_by_two":
        two_by_two.input_gradient(dy, weight, dx)
    elif algorithm == "im2col":
        im2col.input_gradient(dy, weight, dx, *geometry)
    elif algorithm == "depthwise":
        depthwise.input_gradient(dy, weight, dx, *geometry[:3])
    else:
        direct.input_gradient(dy, weight, dx, *geometry)
    return dx


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
    """dweight (O, C // groups, *kernel_size) from dy (N, O, OH, OW) and x.

    `dbias` (O), if given, is written: the sum of dy over images and pixels, a by-product of most algorithms.
    """
    geometry = stride, padding, dilation, groups
    dweight = np.empty((dy.shape[1], x.shape[1] // groups, *kernel_size), dy.dtype)
    algorithm = _algorithm(algorithm, exact(), True, False, dy.dtype, len(dy), dweight.shape, dy.shape[2:], *geometry)
    if algorithm == "winograd":
        winograd.weight_gradient(dy, x, dweight, padding, dbias)
    elif algorithm == "two_by_two":
        two_by_two.weight_gradient(dy, x, dweight, dbias)
    elif algorithm == "direct":
        direct.weight_gradient(dy, x, dweight, *geometry, dbias)
    else:
        dy = channels_last(dy)
        if algorithm == "im2col":
            im2col.weight_gradient(dy, x, dweight, *geometry)
        else:
            depthwise.weight_gradient(dy, x, dweight, *geometry[:3])
        if dbias is not None:
            dbias[...] = sum_middle(channels_to_end(dy).reshape(1, -1, dy.shape[1]))[0]
    return dweight


def _empty(shape: tuple, source: np.ndarray, algorithm: str) -> np.ndarray:
    """An uninitialised array for what `algorithm` makes of `source`, channels-last in memory where that is the rule."""
    batch, channels, height, width = shape
    if algorithm == "direct" and channels < CHANNELS_LAST and not is_channels_last(source):
        return np.empty(shape, source.dtype)
    return np.empty((batch, height, width, channels), source.dtype).transpose(0, 3, 1, 2)
