"""1x1 convolution: a plain matrix product over the channels, pixel by pixel, by NumPy's BLAS.

With X the pixels of all images: Y = W X, dX = W^T dY, dW = dY X^T. Where channels lie side by side in memory
(channels last) the pixels of the whole batch are one matrix; otherwise there is a product for each image.
A stride skips pixels. No padding, one group.
"""

from __future__ import annotations

import numpy as np

from ..geometry import is_channels_last


def _pixels(array):
    """(N, C, H, W) as (N, C, H * W)."""
    batch, channels, height, width = array.shape
    return array.reshape(batch, channels, height * width)


def _rows(array):
    """(N, C, H, W) as (N * H * W, C), a pixel a row."""
    batch, channels, height, width = array.shape
    return array.transpose(0, 2, 3, 1).reshape(batch * height * width, channels)


def forward(x, weight, bias, y, stride):
    """Write W X + bias into y, which is contiguous (channels first or last)."""
    x, matrix = x[:, :, :: stride[0], :: stride[1]], weight[:, :, 0, 0]
    if is_channels_last(y):
        np.matmul(_rows(x), matrix.T, out=_rows(y))
    else:
        np.matmul(matrix, _pixels(x), out=_pixels(y))
    if bias is not None:
        y += bias[:, None, None]


def input_gradient(dy, weight, dx, stride):
    """Write W^T dY into dx: the same product, with the skipped pixels zero."""
    turned = weight.transpose(1, 0, 2, 3)
    if stride == (1, 1):
        forward(dy, turned, None, dx, stride)
        return
    seen = np.empty((len(dx), dx.shape[1], *dy.shape[2:]), dx.dtype)
    forward(dy, turned, None, seen, (1, 1))
    dx[...] = 0
    dx[:, :, :: stride[0], :: stride[1]] = seen


def weight_gradient(dy, x, dweight, stride):
    """Write dY X^T, summed over the images, into dweight."""
    x, matrix = x[:, :, :: stride[0], :: stride[1]], dweight[:, :, 0, 0]
    if is_channels_last(x) and is_channels_last(dy):
        np.matmul(_rows(dy).T, _rows(x), out=matrix)
        return
    matrix[...] = 0
    for image_dy, image_x in zip(_pixels(dy), _pixels(x), strict=True):
        matrix += image_dy @ image_x.T
