"""Winograd's convolution F(4x4, 3x3): 36 multiplications for 16 outputs of a 3x3 kernel instead of 144.

A 3x3 convolution of stride 1 is computed in tiles of 4x4 outputs, each from 6x6 inputs d:

    y = A^T [ (G w G^T) * (B^T d B) ] A            (* elementwise)

The three matrices evaluate and interpolate polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016,
"Fast algorithms for convolutional neural networks", arXiv 1509.09308). Summed over input channels, the
elementwise product becomes 36 small matrix products, tiles x channels times channels x outputs, and that is
where the time goes:

    forward           M[k] = V[k] U[k],    V = B^T d B,  U = G w G^T,    y = A^T M A
    input gradient    the same with dy for x, kernels turned by 180 degrees, input and output channels swapped
    weight gradient   the transpose of it all: dU[k] = Z[k]^T V[k],  Z = A dy A^T,  dweight = G^T dU G

Channels lie side by side (NHWC) in the pieces, so the transforms vectorise over them. Tiles are cut into groups,
channels into blocks, and a product is made of pieces (36, tiles, channels) and (36, channels, outputs) that fit in
the second-level cache together, in one of two orders. With many tiles, U of all kernels is made once, and each
worker meets it with V of a group of tiles at a time (`by_tiles`). With few tiles U is the larger: then V is made
once, and each worker meets it with U of a block of kernels at a time (`by_outputs`), so that U, four times the
weights, never goes to memory. The weight gradient has the same two orders, with dU in U's place.

float32; the error is about 1e-5 of the largest output.
"""

from __future__ import annotations

import numpy as np

from ..geometry import flat_and_strides, plain
from ..jit import get_num_threads, single_threaded_blas
from ..workspace import workspace
from . import winograd_loops
from .winograd_loops import LANES, Cuts

# OpenBLAS multiplies small matrices (rows * columns * depth up to 10**6) without first copying them into another
# order, at 120 to 145 GFLOP/s a core instead of 70. Of those, 48 x 128 times 128 x 64 makes pieces that the
# second-level cache (2 MB) holds beside each other.
TILES, INPUTS, OUTPUTS = 48, 128, 64
PARTS = 16  # into which the weight gradient's sum over the tiles is cut: one for each of so many threads,
PARTS_SIZE = 2**24  # as long as all of dU fit in this many numbers (64 MiB)


def _image(array):
    """The array as one axis, its C, H, W, and its strides."""
    flat, shape, strides = flat_and_strides(array)
    return flat, *shape[1:], *strides


def _split(count, most, multiple=1):
    """Pieces of at most `most` and all of one size, a multiple of `multiple`: their number and that size."""
    pieces = -(-count // most)
    return pieces, -(-count // (pieces * multiple)) * multiple


def _convolve(x, kernels, bias, y, padding):
    """Write the convolution of x into y; `kernels` as `_transform_kernels` takes them."""
    channels, out_channels = x.shape[1], y.shape[1]
    down, across = (y.shape[2] + 3) // 4, (y.shape[3] + 3) // 4
    tiles = len(x) * down * across
    if tiles == 0:
        return
    by_tiles = tiles >= 2 * out_channels  # measured: where both operands are of a size, rather store V
    inputs, rows = _split(channels, INPUTS, LANES)
    outputs, columns = _split(out_channels, OUTPUTS if by_tiles else min(OUTPUTS, -(-out_channels // 2)), LANES)
    groups, group = _split(tiles, TILES)
    cuts = Cuts(tiles, down, across, groups, group, inputs, rows, outputs, columns)
    padded_bias = np.zeros(outputs * columns, np.float32)
    if bias is not None:
        padded_bias[:out_channels] = bias
    workers = get_num_threads()
    own = (workers, 36, rows, columns), (workers, groups, 36, group, columns)
    all_pieces = (outputs, inputs, 36, rows, columns), (workers, 36, group, columns)
    arrays = workspace(
        np.dtype(np.float32),
        (workers if by_tiles else groups, inputs, 36, group, rows),
        *(all_pieces if by_tiles else own),
        (workers, group, columns),
    )
    run = winograd_loops.by_tiles if by_tiles else winograd_loops.by_outputs
    with single_threaded_blas:
        run(_image(x), kernels, padded_bias, _image(y), padding, cuts, *arrays)


def forward(x, weight, bias, y, padding):
    """Write the convolution of x with weight (O, C, 3, 3) into y."""
    out_channels, channels = weight.shape[:2]
    kernels = plain(weight).reshape(weight.size), out_channels, channels, 0, 9 * channels, 9, 1
    _convolve(x, kernels, bias, y, padding)


def input_gradient(dy, weight, dx, padding):
    """Write the gradient of x into dx: the convolution of dy with the kernels turned by 180 degrees."""
    out_channels, channels = weight.shape[:2]
    # Read backwards, the nine numbers of a kernel are the turned kernel's.
    kernels = plain(weight).reshape(weight.size), channels, out_channels, 8, 9, 9 * channels, -1
    _convolve(dy, kernels, None, dx, (2 - padding[0], 2 - padding[1]))


def weight_gradient(dy, x, dweight, padding):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    out_channels, channels = dweight.shape[:2]
    down, across = (dy.shape[2] + 3) // 4, (dy.shape[3] + 3) // 4
    tiles = len(x) * down * across
    if tiles == 0:
        dweight[...] = 0
        return
    inputs, columns = _split(channels, INPUTS, LANES)
    outputs, rows = _split(out_channels, OUTPUTS, LANES)
    groups, group = _split(tiles, TILES)
    parts = min(groups, PARTS, max(2, PARTS_SIZE // (36 * inputs * columns * outputs * rows)))
    by_tiles = parts * channels * out_channels < tiles * (channels + out_channels)  # store the smaller: dU, or V and Z
    cuts = Cuts(tiles, down, across, groups, group, inputs, columns, outputs, rows)
    workers = get_num_threads()
    arrays = workspace(
        np.dtype(np.float32),
        (workers if by_tiles else groups, inputs, 36, group, columns),
        (workers if by_tiles else groups, outputs, 36, group, rows),
        (parts, outputs, inputs, 36, rows, columns) if by_tiles else (workers, 36, rows, columns),
        (workers, rows, columns),
    )
    run = winograd_loops.gradient_by_tiles if by_tiles else winograd_loops.gradient_by_outputs
    with single_threaded_blas:
        run(_image(x), _image(dy), dweight.reshape(dweight.size), dweight.shape[:2], padding, cuts, *arrays)
