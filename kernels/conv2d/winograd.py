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

Channels lie side by side in here (NHWC), so the transforms vectorise over them; a task transforms about a
hundred tiles, multiplies and transforms back while all of it is in the second-level cache. float32; the error
is about 1e-5 of the largest output.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..jit import jit, single_threaded_blas

FUSED = {"contract"}
_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which stops vectorising
_2, _4, _5, _8 = (np.float32(number) for number in (2, 4, 5, 8))  # an int would make the arithmetic float64
TILES = 96  # to a task: V and M then fit in the second-level cache at the usual channel counts
SLAB = 256  # tiles of the weight gradient that are transformed before they are multiplied

_G = np.array(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
     [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip
# G w G^T for w as a column of 9 numbers: one matrix product transforms all kernels.
_KERNEL_TRANSFORM = np.kron(_G, _G).astype(np.float32)


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
def _transform_output(m, tile, half, rows, left):
    """rows[:, left : left + 4] = A^T m[:, tile] A."""
    _, tiles, c = m.shape
    width = rows.shape[1]
    flat_m, flat_rows = m.reshape(m.size), rows.reshape(rows.size)
    for j in range(6):
        _output_1d(flat_m, (j * tiles + tile) * c, 6 * tiles * c, half, j * c, 6 * c, c)
    for i in range(4):
        _output_1d(half, 6 * i * c, c, flat_rows, (i * width + left) * c, c, c)


@jit
def _transform_gradient(rows, left, half, z, tile):
    """z[:, tile] = A dy A^T for the 4x4 pixels dy from column `left` on."""
    _, width, c = rows.shape
    tiles = z.shape[1]
    flat_rows, flat_z = rows.reshape(rows.size), z.reshape(z.size)
    _gradient_1d(flat_rows, left * c, width * c, half, 0, 4 * c, 4 * c)
    for i in range(6):
        _gradient_1d(half, 4 * i * c, c, flat_z, (6 * i * tiles + tile) * c, tiles * c, c)


@jit
def _forward_task(x, x_shape, x_strides, u, turned, bias, y, y_shape, y_strides, pad, first, last):
    """Rows of tiles `first` to `last`, counted through all images."""
    batch, channels, height, width = x_shape
    _, out_channels, out_h, out_w = y_shape
    down, across = (out_h + 3) // 4, (out_w + 3) // 4
    tiles = (last - first) * across
    rows = np.empty((6, 4 * across + 2, channels), np.float32)
    half = np.empty(36 * max(channels, out_channels), np.float32)
    v = np.empty((36, tiles, channels), np.float32)
    m = np.empty((36, tiles, out_channels), np.float32)
    for r in range(first, last):
        top = r % down * 4 - pad[0]
        _load_rows(x, x_strides, r // down, top, -pad[1], height, width, rows)
        for t in range(across):
            _transform_input(rows, 4 * t, half, v, (r - first) * across + t)
    for k in range(36):
        if turned:
            np.dot(v[k], u[k], m[k])
        else:
            np.dot(v[k], u[k].T, m[k])
    out_rows = np.empty((4, 4 * across, out_channels), np.float32)
    for r in range(first, last):
        for t in range(across):
            _transform_output(m, (r - first) * across + t, half, out_rows, 4 * t)
        for i in range(4):
            for w in range(4 * across):
                for c in range(out_channels):
                    out_rows[i, w, c] += bias[c]
        _store_rows(out_rows, y, y_strides, r // down, r % down * 4, out_h, out_w)


@jit(parallel=True)
def _forward(x, x_shape, x_strides, u, turned, bias, y, y_shape, y_strides, pad, run):
    """x and y are flat; u (36, O, C), or (36, C, O) if `turned`; a task takes `run` rows of tiles."""
    total = y_shape[0] * ((y_shape[2] + 3) // 4)
    for task in prange((total + run - 1) // run):
        last = min(total, (task + 1) * run)
        _forward_task(x, x_shape, x_strides, u, turned, bias, y, y_shape, y_strides, pad, task * run, last)


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
def _multiply_task(v, z, product, du):
    np.dot(z.T, v, product)
    du += product


@jit(parallel=True)
def _weight_gradient(x, x_shape, x_strides, dy, y_shape, y_strides, pad, run, du):
    """du (36, O, C), zeros: adds Z^T V, `run` rows of tiles at a time."""
    total = y_shape[0] * ((y_shape[2] + 3) // 4)
    across = (y_shape[3] + 3) // 4
    for first in range(0, total, run):
        last = min(total, first + run)
        v = np.empty((36, (last - first) * across, x_shape[1]), np.float32)
        z = np.empty((36, (last - first) * across, y_shape[1]), np.float32)
        for row in prange(last - first):
            _transform_task(
                x, x_shape, x_strides, dy, y_shape, y_strides, pad, first + row, v, z, row * across
            )  # fmt: skip
        for k in prange(36):
            product = np.empty((y_shape[1], x_shape[1]), np.float32)
            _multiply_task(v[k], z[k], product, du[k])


def _flat(array):
    """The array as one axis (a copy if neither NCHW nor NHWC is contiguous), its shape, its strides."""
    nhwc = array.transpose(0, 2, 3, 1)
    if not (array.flags.writeable and array.dtype.isnative and nhwc.flags.c_contiguous):
        array = np.require(array, requirements=["C", "A", "W"])
        nhwc = None
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return (array if nhwc is None else nhwc).reshape(array.size), array.shape, strides


def _convolve(x, u, turned, bias, y, padding):
    run = max(1, TILES // ((y.shape[3] + 3) // 4))
    with single_threaded_blas:
        _forward(*_flat(x), u, turned, bias, *_flat(y), padding, run)


def forward(x, weight, bias, y, padding):
    """Write the convolution of x with weight (O, C, 3, 3) into y."""
    out_channels, channels = weight.shape[:2]
    u = _KERNEL_TRANSFORM @ weight.reshape(out_channels * channels, 9).T
    if bias is None:
        bias = np.zeros(out_channels, np.float32)
    bias = np.require(bias, requirements=["C", "A", "W"])
    _convolve(x, u.reshape(36, out_channels, channels), False, bias, y, padding)


def input_gradient(dy, weight, dx, padding):
    """Write the gradient of x into dx: the convolution of dy with the kernels turned by 180 degrees."""
    out_channels, channels = weight.shape[:2]
    # Read backwards, the nine numbers of a kernel are the turned kernel's.
    u = _KERNEL_TRANSFORM[:, ::-1] @ weight.reshape(out_channels * channels, 9).T
    bias = np.zeros(channels, np.float32)
    padding = (2 - padding[0], 2 - padding[1])
    _convolve(dy, u.reshape(36, out_channels, channels), True, bias, dx, padding)


def weight_gradient(dy, x, dweight, padding):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    out_channels, channels = dweight.shape[:2]
    du = np.zeros((36, out_channels, channels), np.float32)
    run = max(1, SLAB // ((dy.shape[3] + 3) // 4))
    with single_threaded_blas:
        _weight_gradient(*_flat(x), *_flat(dy), padding, run, du)
    kernels = dweight.reshape(out_channels * channels, 9)
    np.matmul(du.reshape(36, out_channels * channels).T, _KERNEL_TRANSFORM, out=kernels)
