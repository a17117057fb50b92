"""Winograd's convolution F(4x4, 3x3): 36 multiplications for 16 outputs of a 3x3 kernel instead of 144.

A 3x3 convolution of stride 1 is computed in tiles of 4x4 outputs, each from 6x6 inputs d:

    y = A^T [ (G w G^T) * (B^T d B) ] A            (* elementwise)

The three matrices evaluate and interpolate polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016,
"Fast algorithms for convolutional neural networks", arXiv 1509.09308). Summed over input channels, the
elementwise product becomes 36 small matrix products, tiles x channels times channels x outputs, and that is
where the time goes:

    forward           M[k] = V[k] U[k]^T,   V = B^T d B,  U = G w G^T,    y = A^T M A
    input gradient    the same with dy for x, kernels turned by 180 degrees, input and output channels swapped
    weight gradient   the transpose of it all: dU[k] = Z[k]^T V[k],  Z = A dy A^T,  dweight = G^T dU G

Channels lie side by side in here (NHWC), so the transforms vectorise over them; a task transforms some tiles,
multiplies and transforms back while all of it is in cache. The products take most of the time, and most of that
depends on their sizes: they are cut so that BLAS is at its best (SMALL_PRODUCT), forward by blocks of output
channels, in the weight gradient by tiles. float32; the error is about 1e-5 of the largest output.

    G^T =  1/4  -1/6  -1/6  1/24   1/24  0
             0  -1/6   1/6  1/12  -1/12  0
             0  -1/6  -1/6   1/6    1/6  1
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numba import prange

from ..jit import jit, single_threaded_blas

FUSED = {"contract"}
_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which stops vectorising
# An int would make the arithmetic float64.
_2, _4, _5, _8 = (np.float32(number) for number in (2, 4, 5, 8))
_SIXTH, _QUARTER, _HALF = (np.float32(1 / number) for number in (6, 4, 2))
# OpenBLAS multiplies small matrices (rows * columns * depth up to 10**6) without first copying them into another
# order: at 130 to 150 GFLOP/s a core instead of 70 to 110. Narrow ones are its favourites.
SMALL_PRODUCT = 800_000
TILES = 96  # at most, to a task: what it transforms stays in cache
SLAB = 256  # tiles of the weight gradient that are transformed before they are multiplied


@jit
def _load_rows(flat, strides, image, top, left, height, width, rows):
    """rows[i, j, c] = pixel (top + i, left + j) of channel c, 0 outside the image."""
    count, columns, channels = rows.shape
    stride_n, stride_c, stride_h, stride_w = strides
    first, last = max(0, -left), min(columns, width - left)
    for i in range(count):
        h = top + i
        if h < 0 or h >= height:
            rows[i] = 0
            continue
        rows[i, :first] = 0
        rows[i, last:] = 0
        base = image * stride_n + h * stride_h + (left + first) * stride_w
        if stride_c == 1:
            line = flat[base : base + (last - first) * channels]
            target = rows[i, first:last].reshape(line.size)
            for p in range(line.size):
                target[p] = line[p]
            continue
        target = rows[i, first:last]
        for c in range(channels):
            line = flat[base + c * stride_c : base + c * stride_c + last - first]
            for w in range(last - first):
                target[w, c] = line[w]


@jit
def _store_rows(rows, flat, strides, image, top, height, width):
    """The way back: write rows[i, j, c] to pixel (top + i, j), except outside the image."""
    count, _, channels = rows.shape
    stride_n, stride_c, stride_h, _ = strides
    for i in range(min(count, height - top)):
        base = image * stride_n + (top + i) * stride_h
        if stride_c == 1:
            line = flat[base : base + width * channels]
            source = rows[i, :width].reshape(line.size)
            for p in range(line.size):
                line[p] = source[p]
            continue
        for c in range(channels):
            line = flat[base + c * stride_c : base + c * stride_c + width]
            for w in range(width):
                line[w] = rows[i, w, c]


@jit(fastmath=FUSED)
def _input_1d(x, start, pitch, y, to, step, length):
    """y = B^T x for six runs of `length` numbers: those of x begin at start, start + pitch, ..."""
    x0, pitch, y0, step = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(step)
    x1, x2, x3, x4, x5 = (
        x0 + pitch,
        x0 + _unsigned(2) * pitch,
        x0 + _unsigned(3) * pitch,
        x0 + _unsigned(4) * pitch,
        x0 + _unsigned(5) * pitch,
    )
    y1, y2, y3, y4, y5 = (
        y0 + step,
        y0 + _unsigned(2) * step,
        y0 + _unsigned(3) * step,
        y0 + _unsigned(4) * step,
        y0 + _unsigned(5) * step,
    )
    for p in range(_unsigned(length)):
        a, b, c, d, e, f = x[x0 + p], x[x1 + p], x[x2 + p], x[x3 + p], x[x4 + p], x[x5 + p]
        even, odd = e - _4 * c, d - _4 * b
        y[y0 + p] = _4 * a - _5 * c + e
        y[y1 + p] = even + odd
        y[y2 + p] = even - odd
        even, odd = e - c, _2 * (d - b)
        y[y3 + p] = even + odd
        y[y4 + p] = even - odd
        y[y5 + p] = _4 * b - _5 * d + f


@jit(fastmath=FUSED)
def _output_1d(x, start, pitch, y, to, step, length):
    """y = A^T x, four runs from six."""
    x0, pitch, y0, step = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(step)
    x1, x2, x3, x4, x5 = (
        x0 + pitch,
        x0 + _unsigned(2) * pitch,
        x0 + _unsigned(3) * pitch,
        x0 + _unsigned(4) * pitch,
        x0 + _unsigned(5) * pitch,
    )
    y1, y2, y3 = y0 + step, y0 + _unsigned(2) * step, y0 + _unsigned(3) * step
    for p in range(_unsigned(length)):
        even_1, odd_1 = x[x1 + p] + x[x2 + p], x[x1 + p] - x[x2 + p]
        even_2, odd_2 = x[x3 + p] + x[x4 + p], x[x3 + p] - x[x4 + p]
        y[y0 + p] = x[x0 + p] + even_1 + even_2
        y[y1 + p] = odd_1 + _2 * odd_2
        y[y2 + p] = even_1 + _4 * even_2
        y[y3 + p] = odd_1 + _8 * odd_2 + x[x5 + p]


@jit(fastmath=FUSED)
def _gradient_1d(x, start, pitch, y, to, step, length):
    """y = A x, six runs from four: the transpose of `_output_1d`."""
    x0, pitch, y0, step = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(step)
    x1, x2, x3 = x0 + pitch, x0 + _unsigned(2) * pitch, x0 + _unsigned(3) * pitch
    y1, y2, y3, y4, y5 = (
        y0 + step,
        y0 + _unsigned(2) * step,
        y0 + _unsigned(3) * step,
        y0 + _unsigned(4) * step,
        y0 + _unsigned(5) * step,
    )
    for p in range(_unsigned(length)):
        a, b, c, d = x[x0 + p], x[x1 + p], x[x2 + p], x[x3 + p]
        even, odd = a + c, b + d
        y[y0 + p] = a
        y[y1 + p] = even + odd
        y[y2 + p] = even - odd
        even, odd = a + _4 * c, _2 * b + _8 * d
        y[y3 + p] = even + odd
        y[y4 + p] = even - odd
        y[y5 + p] = d


@jit
def _transform_input(rows, left, half, v, tile):
    """v[:, tile] = B^T d B for the 6x6 pixels d from column `left` on: the columns first, then the rows."""
    _, width, c = rows.shape
    tiles = v.shape[1]
    flat_rows, flat_v = rows.reshape(rows.size), v.reshape(v.size)
    _input_1d(flat_rows, left * c, width * c, half, 0, 6 * c, 6 * c)
    for i in range(6):
        _input_1d(half, 6 * i * c, c, flat_v, (6 * i * tiles + tile) * c, tiles * c, c)


@jit
def _transform_output(m, tile, half, rows, left, channel, count):
    """rows[:, left : left + 4] = A^T m[:, tile] A, in `count` channels from `channel` on."""
    _, tiles, c = m.shape
    _, width, channels = rows.shape
    flat_m, flat_rows = m.reshape(m.size), rows.reshape(rows.size)
    for j in range(6):
        _output_1d(flat_m, (j * tiles + tile) * c, 6 * tiles * c, half, j * c, 6 * c, count)
    for i in range(4):
        _output_1d(half, 6 * i * c, c, flat_rows, (i * width + left) * channels + channel, channels, count)


@jit
def _transform_gradient(rows, left, half, z, tile):
    """z[:, tile] = A dy A^T for the 4x4 pixels dy from column `left` on."""
    _, width, c = rows.shape
    tiles = z.shape[1]
    flat_rows, flat_z = rows.reshape(rows.size), z.reshape(z.size)
    _gradient_1d(flat_rows, left * c, width * c, half, 0, 4 * c, 4 * c)
    for i in range(6):
        _gradient_1d(half, 4 * i * c, c, flat_z, (6 * i * tiles + tile) * c, tiles * c, c)


@jit(fastmath=FUSED)
def _kernel_1d(x, start, pitch, y, to, step, length):
    """y = G x, six runs from three."""
    x0, pitch, y0, step = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(step)
    x1, x2 = x0 + pitch, x0 + _unsigned(2) * pitch
    y1, y2, y3, y4, y5 = (
        y0 + step,
        y0 + _unsigned(2) * step,
        y0 + _unsigned(3) * step,
        y0 + _unsigned(4) * step,
        y0 + _unsigned(5) * step,
    )
    for p in range(_unsigned(length)):
        a, b, c = x[x0 + p], x[x1 + p], x[x2 + p]
        even, odd = -(a + c) * _SIXTH, b * _SIXTH
        y[y0 + p] = a * _QUARTER
        y[y1 + p] = even - odd
        y[y2 + p] = even + odd
        even, odd = (a * _QUARTER + c) * _SIXTH, b * _SIXTH * _HALF
        y[y3 + p] = even + odd
        y[y4 + p] = even - odd
        y[y5 + p] = c


@jit(parallel=True)
def _transform_kernels(weight, first_tap, strides, out_channels, u):
    """u[b, :, c, o] = G w G^T for w from input channel c to output channel o of block b; 0 beyond the last.

    weight is flat: tap t of that kernel is weight[first_tap + (b * block + o) * strides[0] + c * strides[1] +
    t * strides[2]].
    """
    blocks, _, channels, block = u.shape
    runs = (channels + 15) // 16
    for task in prange(blocks * runs):
        b, first = task // runs, task % runs * 16
        taps = np.zeros(9 * block, np.float32)
        half = np.empty(18 * block, np.float32)
        flat = u[b].reshape(36 * channels * block)
        for c in range(first, min(channels, first + 16)):
            for o in range(min(block, out_channels - b * block)):
                start = first_tap + (b * block + o) * strides[0] + c * strides[1]
                for t in range(9):
                    taps[t * block + o] = weight[start + t * strides[2]]
            _kernel_1d(taps, 0, 3 * block, half, 0, 3 * block, 3 * block)
            for i in range(6):
                to = (6 * i * channels + c) * block
                _kernel_1d(half, 3 * i * block, block, flat, to, channels * block, block)


@jit
def _forward_task(x, x_shape, x_strides, u, bias, y, y_shape, y_strides, pad, first, last):
    """Rows of tiles `first` to `last`, counted through all images."""
    batch, channels, height, width = x_shape
    _, out_channels, out_h, out_w = y_shape
    blocks, block = len(u), u.shape[3]
    down, across = (out_h + 3) // 4, (out_w + 3) // 4
    tiles = (last - first) * across
    rows = np.empty((6, 4 * across + 2, channels), np.float32)
    half = np.empty(36 * max(channels, block), np.float32)
    v = np.empty((36, tiles, channels), np.float32)
    m = np.empty((blocks, 36, tiles, block), np.float32)
    for r in range(first, last):
        top = r % down * 4 - pad[0]
        _load_rows(x, x_strides, r // down, top, -pad[1], height, width, rows)
        for t in range(across):
            _transform_input(rows, 4 * t, half, v, (r - first) * across + t)
    for k in range(36):
        for b in range(blocks):
            np.dot(v[k], u[b, k], m[b, k])
    out_rows = np.empty((4, 4 * across, out_channels), np.float32)
    for r in range(first, last):
        for t in range(across):
            for b in range(blocks):
                count = min(block, out_channels - b * block)
                _transform_output(m[b], (r - first) * across + t, half, out_rows, 4 * t, b * block, count)
        for i in range(4):
            for w in range(4 * across):
                for c in range(out_channels):
                    out_rows[i, w, c] += bias[c]
        _store_rows(out_rows, y, y_strides, r // down, r % down * 4, out_h, out_w)


@jit(parallel=True)
def _forward(x, x_shape, x_strides, u, bias, y, y_shape, y_strides, pad, run):
    """x and y are flat; u (blocks of outputs, 36, C, outputs in a block); a task takes `run` rows of tiles."""
    total = y_shape[0] * ((y_shape[2] + 3) // 4)
    for task in prange((total + run - 1) // run):
        last = min(total, (task + 1) * run)
        _forward_task(x, x_shape, x_strides, u, bias, y, y_shape, y_strides, pad, task * run, last)


@jit
def _transform_task(x, x_shape, x_strides, dy, y_shape, y_strides, pad, row, v, z, tile):
    """V and Z of one row of tiles."""
    down, across = (y_shape[2] + 3) // 4, (y_shape[3] + 3) // 4
    rows = np.empty((6, 4 * across + 2, x_shape[1]), np.float32)
    dy_rows = np.empty((4, 4 * across, y_shape[1]), np.float32)
    half = np.empty(36 * max(x_shape[1], y_shape[1]), np.float32)
    image, top = row // down, row % down * 4
    _load_rows(x, x_strides, image, top - pad[0], -pad[1], x_shape[2], x_shape[3], rows)
    _load_rows(dy, y_strides, image, top, 0, y_shape[2], y_shape[3], dy_rows)
    for t in range(across):
        _transform_input(rows, 4 * t, half, v, tile + t)
        _transform_gradient(dy_rows, 4 * t, half, z, tile + t)


@jit
def _multiply_task(v, z, depth, du):
    """du += Z^T V, `depth` tiles at a time."""
    product = np.empty(du.shape, np.float32)
    for t in range(0, len(v), depth):
        np.dot(z[t : t + depth].T, v[t : t + depth], product)
        du += product


@jit(parallel=True)
def _weight_gradient(x, x_shape, x_strides, dy, y_shape, y_strides, pad, run, depth, du):
    """du (36, O, C), zeros: adds Z^T V, `run` rows of tiles at a time."""
    total = y_shape[0] * ((y_shape[2] + 3) // 4)
    across = (y_shape[3] + 3) // 4
    for first in range(0, total, run):
        last = min(total, first + run)
        v = np.empty((36, (last - first) * across, x_shape[1]), np.float32)
        z = np.empty((36, (last - first) * across, y_shape[1]), np.float32)
        for row in prange(last - first):
            _transform_task(x, x_shape, x_strides, dy, y_shape, y_strides, pad, first + row, v, z, row * across)
        for k in prange(36):
            _multiply_task(v[k], z[k], depth, du[k])


@jit(parallel=True, fastmath=FUSED)
def _transform_back(du, dweight):
    """dweight (O, C, 9) = G^T dU G from du (36, O, C)."""
    _, out_channels, channels = du.shape
    for o in prange(out_channels):
        half = np.empty((18, channels), np.float32)
        for j in range(6):
            for c in range(channels):
                d1, d2, d3, d4 = du[6 + j, o, c], du[12 + j, o, c], du[18 + j, o, c], du[24 + j, o, c]
                even, far = (d3 + d4) * _SIXTH - (d1 + d2) * _SIXTH, (d3 + d4) * _SIXTH * _QUARTER
                half[j, c] = du[j, o, c] * _QUARTER - (d1 + d2) * _SIXTH + far
                half[6 + j, c] = (d2 - d1) * _SIXTH + (d3 - d4) * _SIXTH * _HALF
                half[12 + j, c] = even + du[30 + j, o, c]
        for i in range(3):
            for c in range(channels):
                d1, d2, d3, d4 = half[6 * i + 1, c], half[6 * i + 2, c], half[6 * i + 3, c], half[6 * i + 4, c]
                even, far = (d3 + d4) * _SIXTH - (d1 + d2) * _SIXTH, (d3 + d4) * _SIXTH * _QUARTER
                dweight[o, c, 3 * i] = half[6 * i, c] * _QUARTER - (d1 + d2) * _SIXTH + far
                dweight[o, c, 3 * i + 1] = (d2 - d1) * _SIXTH + (d3 - d4) * _SIXTH * _HALF
                dweight[o, c, 3 * i + 2] = even + half[6 * i + 5, c]


def _flat(array):
    """The array as one axis (a copy if neither NCHW nor NHWC is contiguous), its shape, its strides."""
    nhwc = array.transpose(0, 2, 3, 1)
    if not (array.flags.writeable and array.dtype.isnative and nhwc.flags.c_contiguous):
        array = np.require(array, requirements=["C", "A", "W"])
        nhwc = None
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return (array if nhwc is None else nhwc).reshape(array.size), array.shape, strides


def _convolve(x, weight, first_tap, strides, bias, y, padding):
    """Write the convolution of x into y; the weight is flat, see `_transform_kernels`."""
    channels, out_channels = x.shape[1], y.shape[1]
    block = 64 if channels <= 256 else 32
    blocks = -(-out_channels // block)
    tiles = max(16, min(TILES, SMALL_PRODUCT // (block * channels)))
    rows, run = len(y) * ((y.shape[2] + 3) // 4), max(1, tiles // ((y.shape[3] + 3) // 4))
    run = -(-rows // max(1, -(-rows // run)))  # tasks of about the same size
    u = _workspace(blocks, 36, channels, block)
    with single_threaded_blas:
        _transform_kernels(weight, first_tap, strides, out_channels, u)
        _forward(*_flat(x), u, bias, *_flat(y), padding, run)


class _Scratch(threading.local):
    """Memory for the transformed kernels, kept from call to call: getting 38 MB (512 x 512 kernels) from the
    system anew takes as long as filling it three times.
    """

    def __init__(self):
        self.array = np.empty(0, np.float32)


_scratch = _Scratch()


def _workspace(*shape):
    size = math.prod(shape)
    if _scratch.array.size < size:
        _scratch.array = np.empty(size, np.float32)
    return _scratch.array[:size].reshape(shape)


def _plain(array):
    return np.require(array, requirements=["C", "A", "W"])


def forward(x, weight, bias, y, padding):
    """Write the convolution of x with weight (O, C, 3, 3) into y."""
    bias = np.zeros(y.shape[1], np.float32) if bias is None else _plain(bias)
    _convolve(x, _plain(weight).reshape(weight.size), 0, (9 * x.shape[1], 9, 1), bias, y, padding)


def input_gradient(dy, weight, dx, padding):
    """Write the gradient of x into dx: the convolution of dy with the kernels turned by 180 degrees."""
    bias = np.zeros(dx.shape[1], np.float32)
    padding = (2 - padding[0], 2 - padding[1])
    # Read backwards, the nine numbers of a kernel are the turned kernel's.
    _convolve(dy, _plain(weight).reshape(weight.size), 8, (9, 9 * dx.shape[1], -1), bias, dx, padding)


def weight_gradient(dy, x, dweight, padding):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    out_channels, channels = dweight.shape[:2]
    du = _workspace(36, out_channels, channels)
    du[...] = 0
    run = max(1, SLAB // ((dy.shape[3] + 3) // 4))
    depth = SMALL_PRODUCT // (out_channels * channels)
    with single_threaded_blas:
        _weight_gradient(*_flat(x), *_flat(dy), padding, run, depth if depth >= 32 else SLAB, du)
    _transform_back(du, dweight.reshape(out_channels, channels, 9))
