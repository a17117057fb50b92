"""Convolution on the CPU, with Numba."""

import numpy as np

from . import direct


def forward(x, weight, bias, stride, padding, dilation, groups):
    n, c, h, w = x.shape
    o, cg, kh, kw = weight.shape
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (w + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.empty((n, o, oh, ow), x.dtype)
    direct.forward(x, weight, bias, y, stride, padding, dilation, groups)
    return y


def input_gradient(dy, weight, input_shape, stride, padding, dilation, groups):
    dx = np.empty(input_shape, dy.dtype)
    direct.input_gradient(dy, weight, dx, stride, padding, dilation, groups)
    return dx


def weight_gradient(dy, x, kernel_size, stride, padding, dilation, groups):
    dw = np.empty((dy.shape[1], x.shape[1] // groups, *kernel_size), dy.dtype)
    direct.weight_gradient(dy, x, dw, stride, padding, dilation, groups)
    return dw
