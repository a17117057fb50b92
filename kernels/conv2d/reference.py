"""2-D convolution as one matrix product per image: im2col, and its adjoint col2im. NumPy, to be read.

A convolution slides a window of KH x KW pixels over the image; every output pixel is the inner product of the
window under it (all channels of it) with the weights of one output channel. Cut out all windows, stand each
up as a column,

              one column per output pixel (L = OH * OW of them)
            +-------------------------------+
            | the pixel under tap (0, 0, 0) |
    K rows  | the pixel under tap (0, 0, 1) |     K = C * KH * KW, a tap being (c, kh, kw)
            |              ...              |
            +-------------------------------+

and the convolution is a matrix product: with the weights as a matrix of O rows and K columns,

    forward            y       (O, L) = weight (O, K) @ columns (K, L)
    weight gradient    dweight (O, K) = dy (O, L) @ columns^T (L, K),            summed over the images
    input gradient     dcolumns (K, L) = weight^T (K, O) @ dy (O, L),            then dx = col2im(dcolumns)

The last two are the backward rule of any matrix product. What remains is dx from dcolumns.
im2col only copies: an input pixel is in as many columns as there are windows that see it, up to KH * KW.
As a matrix it would hold a single 1 in each row, so its transpose, which is what the chain rule asks for,
*adds*: every entry of the columns goes back to the pixel it was copied from, and entries from the same pixel
are summed. That is col2im, the adjoint: <im2col(x), c> = <x, col2im(c)> for all x and c. The same map run
forwards is the transposed convolution.

With `groups` > 1 the channels are split into groups that are convolved separately: the matrices get a leading axis
of groups.

Shapes: x (N, C, H, W); weight (O, C // groups, KH, KW); y, dy (N, O, OH, OW), where
OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1. `stride`, `padding` and `dilation` are pairs
(h, w); `padding` is zeros on both sides. float32 and float64. Chellapilla, Puri, Simard (2006), "High
performance convolutional neural networks for document processing".
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..geometry import output_size
from ..types import Array, Pair, Shape


def im2col(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> np.ndarray:
    """The windows of x as columns: (N, C, H, W) -> (N, groups, C // groups * KH * KW, OH * OW)."""
    (kernel_h, kernel_w), (pad_h, pad_w) = kernel_size, padding
    padded = np.pad(x, ((0, 0), (0, 0), (pad_h, pad_h), (pad_w, pad_w)))
    # What a dilated kernel spans; every such window, as a view (N, C, H', W', span_h, span_w) without a copy,
    span = (dilation[0] * (kernel_h - 1) + 1, dilation[1] * (kernel_w - 1) + 1)
    windows = sliding_window_view(padded, span, axis=(2, 3))
    # of which the stride keeps some windows and the dilation some pixels: (N, C, OH, OW, KH, KW).
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    batch, channels, out_h, out_w = windows.shape[:4]
    taps = windows.transpose(0, 1, 4, 5, 2, 3)  # (N, C, KH, KW, OH, OW); the reshape makes the copy
    return taps.reshape(batch, groups, channels // groups * kernel_h * kernel_w, out_h * out_w)


def col2im(
    columns: np.ndarray, input_shape: tuple, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> np.ndarray:
    """The adjoint of `im2col`: add every entry of the columns to the pixel it was copied from."""
    batch, channels, height, width = input_shape
    (kernel_h, kernel_w), (stride_h, stride_w), (pad_h, pad_w) = kernel_size, stride, padding
    out_h = output_size(height, kernel_h, stride_h, pad_h, dilation[0])
    out_w = output_size(width, kernel_w, stride_w, pad_w, dilation[1])
    taps = columns.reshape(batch, channels, kernel_h, kernel_w, out_h, out_w)
    padded = np.zeros((batch, channels, height + 2 * pad_h, width + 2 * pad_w), columns.dtype)
    for kh in range(kernel_h):
        for kw in range(kernel_w):
            top, left = kh * dilation[0], kw * dilation[1]
            # For one tap the windows do not overlap, so this += adds each pixel once.
            padded[:, :, top : top + out_h * stride_h : stride_h, left : left + out_w * stride_w : stride_w] += taps[
                :, :, kh, kw
            ]
    return padded[:, :, pad_h : pad_h + height, pad_w : pad_w + width]


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
) -> Array:
    """y (N, O, OH, OW): every output pixel is a window's inner product with the weights, plus `bias` (O).

    With a `scale` (O) the product is multiplied by it before, with `relu` max(y, 0) is returned.
    """
    out_channels, group_in, kernel_h, kernel_w = weight.shape
    columns = im2col(x, (kernel_h, kernel_w), stride, padding, dilation, groups)  # (N, G, K, L)
    matrix = weight.reshape(groups, out_channels // groups, group_in * kernel_h * kernel_w)  # (G, O/G, K)
    y = matrix @ columns  # (N, G, O/G, L)
    out_h = output_size(x.shape[2], kernel_h, stride[0], padding[0], dilation[0])
    out_w = output_size(x.shape[3], kernel_w, stride[1], padding[1], dilation[1])
    y = y.reshape(len(x), out_channels, out_h, out_w)
    if scale is not None:
        y = y * scale[:, None, None]
    if bias is not None:
        y = y + bias[:, None, None]
    return np.maximum(y, 0) if relu else y


def input_gradient(
    dy: Array, weight: Array, input_shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """dx (N, C, H, W) from dy (N, O, OH, OW): back through the product, then back through im2col."""
    batch, out_channels, out_h, out_w = dy.shape
    _, group_in, kernel_h, kernel_w = weight.shape
    matrix = weight.reshape(groups, out_channels // groups, group_in * kernel_h * kernel_w)  # (G, O/G, K)
    dy = dy.reshape(batch, groups, out_channels // groups, out_h * out_w)  # (N, G, O/G, L)
    columns = matrix.swapaxes(1, 2) @ dy  # (N, G, K, L)
    return col2im(columns, input_shape, (kernel_h, kernel_w), stride, padding, dilation)


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
) -> Array:
    """dweight (O, C // groups, KH, KW): every weight is summed over all the windows it was used in.

    `dbias` (O), if given, is written: a bias was added to every pixel of its channel.
    """
    if dbias is not None:
        dbias[...] = dy.sum((0, 2, 3), np.float64)
    batch, out_channels, out_h, out_w = dy.shape
    columns = im2col(x, kernel_size, stride, padding, dilation, groups)  # (N, G, K, L)
    dy = dy.reshape(batch, groups, out_channels // groups, out_h * out_w)  # (N, G, O/G, L)
    dweight = np.zeros((groups, out_channels // groups, columns.shape[2]), dy.dtype)
    for image_dy, image_columns in zip(dy, columns, strict=True):
        dweight += image_dy @ image_columns.swapaxes(1, 2)  # (G, O/G, K)
    return dweight.reshape(out_channels, x.shape[1] // groups, *kernel_size)
