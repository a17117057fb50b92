"""Winograd's convolution F(4x4, 3x3): 36 multiplications for 16 outputs of a 3x3 kernel instead of 144.

A 3x3 convolution of stride 1 is computed in tiles of 4x4 outputs, each from 6x6 inputs d:

    y = A^T [ (G w G^T) * (B^T d B) ] A            (* elementwise)

The three matrices evaluate and interpolate polynomials at six points (Lavin and Gray 2016, "Fast algorithms for
convolutional neural networks", arXiv 1509.09308), chosen for a small error (Barabasz, Anderson, Soodhalter and Gregg
2018, "Error analysis and improving the accuracy of Winograd convolution", arXiv 1803.10986). Summed over
input channels, the elementwise product becomes 36 small matrix products, tiles x channels times channels x outputs,
and that is where the time goes:

    forward           M[k] = V[k] U[k],    V = B^T d B,  U = G w G^T,    y = A^T M A + bias
    input gradient    the same with dy for x, kernels rotated by 180 degrees, input and output channels swapped
    weight gradient   the transpose of this map: dU[k] = Z[k]^T V[k],  Z = A dy A^T,  dweight = G^T dU G

Channels lie side by side (NHWC) in the pieces, so the transforms vectorise over them. Tiles are cut into groups,
channels into blocks, and a product is made of pieces (36, tiles, channels) and (36, channels, outputs) that fit in
the second-level cache together, in one of two orders. With many tiles, U of all kernels is made once, and each
worker multiplies it by V of a group of tiles at a time (`by_tiles`). With few tiles U is the larger: then V is made
once, and each worker multiplies it by U of a block of kernels at a time (`by_outputs`), so that U, four times the
weights, never goes to memory. The weight gradient has the same two orders, with dU in U's place.

The products take two thirds of the time, at 130 to 170 GFLOP/s a core of the 205 that it reaches (AVX-512).
`two_by_two.py` is the same with smaller matrices. float32; an output's error against float64 is about 7e-7 of the root
mean square of all, where im2col's is 4e-7 to 5e-7; with the points 1 and 2, and sums not made in parts, it was 2e-6 to
5e-6.
"""

from __future__ import annotations

import numpy as np

from ..cpu.jit import get_num_threads
from ..cpu.relayout import channels_last, row_major
from ..cpu.workspace import workspace
from . import winograd_loops
from .epilogue import Epilogue
from .winograd_loops import Cuts
from .winograd_transforms import LANES, P

POINTS = {4: 36, 2: 9}  # products for a tile of size x size outputs
# Along one axis, the multiples of the numbers of A x that add up to x's sum: those at 0, P, -P and infinity do.
_SUM = {4: [1 - 1 / P**2, (1 / P + 1) / (2 * P), (1 / P - 1) / (2 * P), 0.0, 0.0, 1 - P**2], 2: [1.0, 0.0, 0.0]}
TOTAL = {size: np.outer(along, along).ravel() for size, along in _SUM.items()}
# A matrix of U, 128 x 64, stays in the first-level cache (48 KB) while the tiles pass; 36 of them fill half of the
# second-level cache (2 MB), and those of 54 tiles, nine times the height of a tile product, the rest.
TILES, INPUTS, OUTPUTS = 54, 128, 64
# Up to so many tiles times channels, 1.2 MB of V, a worker makes V for itself: reading it in another one's cache would
# take longer.
OWN = 2**13
# The weight gradient's sum over the tiles is cut into parts, one for each of so many threads, as long as all their dU
# are an eighth of V and Z or less; but into two at least.
PARTS = 16


def _image(array):
    """The array, channels last in memory, as one axis, and its C, H, W."""
    return channels_last(array).transpose(0, 2, 3, 1).reshape(array.size), *array.shape[1:]


def _split(count, most, multiple=1):
    """Pieces of at most `most` and all of one size, a multiple of `multiple`: their number and that size."""
    pieces = -(-count // most)
    return pieces, -(-count // (pieces * multiple)) * multiple


def _tiles(images, size):
    """The tiles of size x size that cover the images: in all, down and across."""
    down, across = -(-images.shape[2] // size), -(-images.shape[3] // size)
    return len(images) * down * across, down, across


def kernels(weight, rotated=False):
    """Weights (O, C, 3, 3) as the loops take them; `rotated`: by 180 degrees, and input and output channels swapped."""
    out_channels, channels = weight.shape[:2]
    flat = row_major(weight).reshape(weight.size)
    if rotated:
        return flat, channels, out_channels, 9, 9 * channels, 1
    return flat, out_channels, channels, 9 * channels, 9, 0


def convolve(x, kernels, epilogue, y, padding, size=4):
    """Write the convolution of x into y (channels last in memory), in tiles of size x size outputs."""
    channels, out_channels, points = x.shape[1], y.shape[1], POINTS[size]
    tiles, down, across = _tiles(y, size)
    if tiles == 0:
        return
    by_tiles = tiles >= 2 * out_channels  # measured: where both operands are of a size, rather store V
    inputs, rows = _split(channels, INPUTS, LANES)
    outputs, columns = _split(out_channels, OUTPUTS if by_tiles else min(OUTPUTS, -(-out_channels // 2)), LANES)
    groups, group = _split(tiles, TILES)
    cuts = Cuts(size, tiles, down, across, groups, group, inputs, rows, outputs, columns)
    workers = get_num_threads()
    held = group if by_tiles else tiles
    shared = not by_tiles and tiles * channels > OWN
    v, u, m = (points, held * rows + LANES), (points, rows * columns + LANES), (points, held * columns + LANES)
    arrays = workspace(
        np.dtype(np.float32),
        (1 if shared else workers, inputs, *v),
        (outputs, inputs, *u) if by_tiles else (workers, *u),
        (workers, *m),
    )
    run = winograd_loops.by_tiles if by_tiles else winograd_loops.by_outputs
    run(_image(x), kernels, epilogue, _image(y), padding, cuts, *arrays)


def forward(x, weight, epilogue, y, padding):
    """Write the convolution of x with weight (O, C, 3, 3), and what follows it, into y."""
    convolve(x, kernels(weight), epilogue, y, padding)


def input_gradient(dy, weight, dx, padding):
    """Write the gradient of x into dx: the convolution of dy with the kernels rotated by 180 degrees."""
    epilogue = Epilogue.of(dx.shape[1], dx.dtype)
    convolve(dy, kernels(weight, rotated=True), epilogue, dx, (2 - padding[0], 2 - padding[1]))


def weight_gradient(dy, x, dweight, padding, dbias=None, size=4):
    """Write the gradient of the weight into dweight (C-contiguous), and that of the bias into `dbias` if given.

    The latter costs next to nothing: Z of one product is the sum of dy over a tile.
    """
    (out_channels, channels), points = dweight.shape[:2], POINTS[size]
    tiles, down, across = _tiles(dy, size)
    if tiles == 0:
        dweight[...] = 0
        if dbias is not None:
            dbias[...] = 0
        return
    inputs, rows = _split(channels, INPUTS, LANES)
    outputs, columns = _split(out_channels, OUTPUTS, LANES)
    groups, group = _split(tiles, TILES)
    ratio = tiles * (channels + out_channels) // (channels * out_channels)  # of the sizes of V and Z to that of dU
    parts = min(groups, PARTS, max(2, ratio // 8))
    by_tiles = parts < ratio  # store the smaller
    cuts = Cuts(size, tiles, down, across, groups, group, inputs, rows, outputs, columns)
    workers = get_num_threads()
    held = group if by_tiles else tiles
    v, z, du = (points, held * rows + LANES), (points, held * columns + LANES), (points, rows * columns + LANES)
    arrays = workspace(
        np.dtype(np.float32),
        (workers, inputs, *v) if by_tiles else (inputs, *v),
        (workers, outputs, *z) if by_tiles else (outputs, *z),
        (parts, outputs, inputs, *du) if by_tiles else (workers, *du),
    )
    sums = np.zeros((parts, outputs, columns))
    run = winograd_loops.gradient_by_tiles if by_tiles else winograd_loops.gradient_by_outputs
    run(
        _image(x),
        _image(dy),
        dweight.reshape(dweight.size),
        TOTAL[size],
        sums,
        dweight.shape[:2],
        padding,
        cuts,
        *arrays,
    )
    if dbias is not None:
        dbias[...] = sums.sum(axis=0).reshape(outputs * columns)[:out_channels]
