"""3x3 convolution with padding 1 of maps of 2x2 pixels: 9 multiplications instead of 36, of which 20 are with padding.

The last maps of a deep network may have only four pixels. Along one axis, for taps a, b, c and pixels x0, x1,

    y0 = b x0 + c x1 = m0 + m1        m0 = b (x0 + x1)
    y1 = a x0 + b x1 = m0 + m2        m1 = (c - b) x1        m2 = (a - b) x0

takes 3 multiplications, Karatsuba's trick for a Toeplitz matrix; along both axes 9, and that is Winograd's scheme
(`winograd.py`) with other matrices:

    forward           M[k] = V[k] U[k],    V = B^T x B,  U = G w G^T,  y = A^T M A
    input gradient    the same with dy for x, kernels rotated by 180 degrees, input and output channels swapped
    weight gradient   dU[k] = Z[k]^T V[k],   Z = A dy A^T,  dweight = G^T dU G

    B^T = 1  1       G = 0  1  0       A^T = 1  1  0
          0  1           0 -1  1             1  0  1
          1  0           1 -1  0

The weights are larger than the images here, 9.4 MB for 512 x 512 channels, so they should be read once only, as
Winograd's loops for few tiles do. float32.
"""

from __future__ import annotations

from . import winograd
from .epilogue import Epilogue

SIZE = 2
PADDING = 0, 0  # the tile is the whole image: the matrices know of the padding


def forward(x, weight, epilogue, y):
    """Write the convolution of x (N, C, 2, 2) with weight (O, C, 3, 3), and what follows it, into y (N, O, 2, 2)."""
    winograd.convolve(x, winograd.kernels(weight), epilogue, y, PADDING, SIZE)


def input_gradient(dy, weight, dx):
    """Write the gradient of x into dx."""
    epilogue = Epilogue.of(dx.shape[1], dx.dtype)
    winograd.convolve(dy, winograd.kernels(weight, rotated=True), epilogue, dx, PADDING, SIZE)


def weight_gradient(dy, x, dweight, dbias=None):
    """Write the gradient of the weight into dweight (C-contiguous), and that of the bias into `dbias` if given."""
    winograd.weight_gradient(dy, x, dweight, PADDING, dbias, SIZE)
