"""3x3 convolution with padding 1 of maps of 2x2 pixels: 9 multiplications instead of 36, of which 20 are by padding.

Of a deep network's last maps the window sees no more than all four pixels. Along one axis, of taps a, b, c and
pixels x0, x1,

    y0 = b x0 + c x1 = m0 + m1        m0 = b (x0 + x1)
    y1 = a x0 + b x1 = m0 + m2        m1 = (c - b) x1        m2 = (a - b) x0

takes 3 multiplications, Karatsuba's trick for a Toeplitz matrix; along both axes 9, and that is Winograd's scheme
(`winograd.py`) with other matrices:

    forward           M[k] = V[k] U[k]^T,    V = B^T x B,  U = G w G^T,  y = A^T M A
    input gradient    the transpose: dV[k] = Z[k] U[k],    Z = A dy A^T,  dx = B dV B^T
    weight gradient   dU[k] = Z[k]^T V[k],   dweight = G^T dU G

    B^T = 1  1       G = 0  1  0       A^T = 1  1  0
          0  1           0 -1  1             1  0  1
          1  0           1 -1  0

The kernels outweigh the images here, 9.4 MB of them for 512 x 512 channels, so what counts is to go through them
once: in parallel, and along the memory. The rest is NumPy's. float32.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..geometry import plain
from ..jit import jit
from ..matmul.cpu import matmul


@jit
def _kernel_1d(a, b, c):
    """G x."""
    return b, c - b, a - b


@jit
def _back_1d(a, b, c):
    """G^T x."""
    return c, a - b - c, b


@jit(parallel=True)
def _transform_kernels(weight, u):
    """u (9, O, C) = G w G^T, weight (O, 9 C)."""
    for o in prange(u.shape[1]):
        w = weight[o]
        for c in range(u.shape[2]):
            a0, a1, a2 = _kernel_1d(w[9 * c], w[9 * c + 3], w[9 * c + 6])
            b0, b1, b2 = _kernel_1d(w[9 * c + 1], w[9 * c + 4], w[9 * c + 7])
            c0, c1, c2 = _kernel_1d(w[9 * c + 2], w[9 * c + 5], w[9 * c + 8])
            u[0, o, c], u[1, o, c], u[2, o, c] = _kernel_1d(a0, b0, c0)
            u[3, o, c], u[4, o, c], u[5, o, c] = _kernel_1d(a1, b1, c1)
            u[6, o, c], u[7, o, c], u[8, o, c] = _kernel_1d(a2, b2, c2)


@jit(parallel=True)
def _transform_back(du, dweight):
    """dweight (O, 9 C) = G^T dU G, du (9, O, C)."""
    for o in prange(du.shape[1]):
        w = dweight[o]
        for c in range(du.shape[2]):
            a0, a1, a2 = _back_1d(du[0, o, c], du[3, o, c], du[6, o, c])
            b0, b1, b2 = _back_1d(du[1, o, c], du[4, o, c], du[7, o, c])
            c0, c1, c2 = _back_1d(du[2, o, c], du[5, o, c], du[8, o, c])
            w[9 * c], w[9 * c + 1], w[9 * c + 2] = _back_1d(a0, b0, c0)
            w[9 * c + 3], w[9 * c + 4], w[9 * c + 5] = _back_1d(a1, b1, c1)
            w[9 * c + 6], w[9 * c + 7], w[9 * c + 8] = _back_1d(a2, b2, c2)


def _spread(x, order):
    """(N, C, 2, 2) to (9, N, C): along both axes the sum, then the two pixels in this order."""
    pixels = x.transpose(2, 3, 0, 1)
    rows = np.stack([pixels[0] + pixels[1], pixels[order[0]], pixels[order[1]]])
    columns = np.stack([rows[:, 0] + rows[:, 1], rows[:, order[0]], rows[:, order[1]]], axis=1)
    return columns.reshape(9, *columns.shape[2:])


def _gather(m, order, x):
    """The transpose of `_spread`: write (9, N, C) to x (N, C, 2, 2)."""
    m = m.reshape(3, 3, *m.shape[1:])
    rows = m[0] + m[1], m[0] + m[2]
    for i, row in zip(order, rows, strict=True):
        for j, part in zip(order, (1, 2), strict=True):
            np.add(row[0], row[part], out=x[:, :, i, j])


V, Z = (1, 0), (0, 1)  # the orders of pixels in B^T and in A


def _kernels(weight):
    out_channels, channels = weight.shape[:2]
    u = np.empty((9, out_channels, channels), weight.dtype)
    _transform_kernels(plain(weight).reshape(out_channels, 9 * channels), u)
    return u


def forward(x, weight, bias, y):
    """Write the convolution of x (N, C, 2, 2) with weight (O, C, 3, 3) into y (N, O, 2, 2)."""
    _gather(matmul(_spread(x, V), _kernels(weight).transpose(0, 2, 1)), Z, y)
    if bias is not None:
        y += bias[:, None, None]


def input_gradient(dy, weight, dx):
    """Write the gradient of x into dx."""
    _gather(matmul(_spread(dy, Z), _kernels(weight)), V, dx)


def weight_gradient(dy, x, dweight):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    du = matmul(_spread(dy, Z).transpose(0, 2, 1), _spread(x, V))
    _transform_back(du, dweight.reshape(len(dweight), 9 * x.shape[1]))
