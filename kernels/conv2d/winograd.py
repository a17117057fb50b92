"""Winograd's convolution F(4x4, 3x3): 36 multiplications for 16 outputs of a 3x3 kernel instead of 144.

A 3x3 convolution of stride 1 is computed in tiles of 4x4 outputs, each from 6x6 inputs d:

    y = A^T [ (G w G^T) * (B^T d B) ] A            (* elementwise)

The three matrices evaluate and interpolate polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016,
"Fast algorithms for convolutional neural networks", arXiv 1509.09308). Summed over input channels, the
elementwise product becomes 36 small matrix products, tiles x channels times channels x outputs, and that is
where the time goes:

    forward           M[k] = V[k] U[k],     V = B^T d B,  U = G w G^T,    y = A^T M A
    input gradient    the same with dy for x, kernels turned by 180 degrees, input and output channels swapped
    weight gradient   the transpose of it all: dU[k] = V[k]^T Z[k],  Z = A dy A^T,  dweight = G^T dU G

Channels lie side by side in here (NHWC), so the transforms vectorise over them; a task transforms about a
hundred tiles, multiplies and transforms back while all of it is in the second-level cache. float32; the error
is about 1e-5 of the largest output.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..jit import jit, single_threaded_blas

FUSED = {"contract"}
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
    for i in range(count):
        h = top + i
        if h < 0 or h >= height:
            rows[i] = 0
            continue
        first, last = max(0, -left), min(columns, width - left)
        rows[i, :first] = 0
        rows[i, last:] = 0
        base = image * stride_n + h * stride_h
        # Sixteen channels at a time: where they lie far apart, a cache line is used up before it is evicted.
        for c in range(0, channels, 16):
            for j in range(first, last):
                start = base + (left + j) * stride_w + c * stride_c
                for lane in range(min(16, channels - c)):
                    rows[i, j, c + lane] = flat[start + lane * stride_c]


@jit
def _store_rows(rows, flat, strides, image, top, height, width):
    """The way back: write rows[i, j, c] to pixel (top + i, j), except outside the image."""
    count, _, channels = rows.shape
    stride_n, stride_c, stride_h, stride_w = strides
    for i in range(min(count, height - top)):
        base = image * stride_n + (top + i) * stride_h
        for c in range(0, channels, 16):
            for j in range(width):
                start = base + j * stride_w + c * stride_c
                for lane in range(min(16, channels - c)):
                    flat[start + lane * stride_c] = rows[i, j, c + lane]


@jit(fastmath=FUSED)
def _transform_input(rows, left, half, v, tile):
    """v[:, tile] = B^T d B for the 6x6 pixels d from column `left` on."""
    channels = rows.shape[2]
    for j in range(6):
        for c in range(channels):
            d0, d1, d2 = rows[0, left + j, c], rows[1, left + j, c], rows[2, left + j, c]
            d3, d4, d5 = rows[3, left + j, c], rows[4, left + j, c], rows[5, left + j, c]
            half[0, j, c] = 4 * d0 - 5 * d2 + d4
            half[1, j, c] = d4 - 4 * d2 + (d3 - 4 * d1)
            half[2, j, c] = d4 - 4 * d2 - (d3 - 4 * d1)
            half[3, j, c] = d4 - d2 + 2 * (d3 - d1)
            half[4, j, c] = d4 - d2 - 2 * (d3 - d1)
            half[5, j, c] = 4 * d1 - 5 * d3 + d5
    for i in range(6):
        for c in range(channels):
            d0, d1, d2 = half[i, 0, c], half[i, 1, c], half[i, 2, c]
            d3, d4, d5 = half[i, 3, c], half[i, 4, c], half[i, 5, c]
            v[i * 6, tile, c] = 4 * d0 - 5 * d2 + d4
            v[i * 6 + 1, tile, c] = d4 - 4 * d2 + (d3 - 4 * d1)
            v[i * 6 + 2, tile, c] = d4 - 4 * d2 - (d3 - 4 * d1)
            v[i * 6 + 3, tile, c] = d4 - d2 + 2 * (d3 - d1)
            v[i * 6 + 4, tile, c] = d4 - d2 - 2 * (d3 - d1)
            v[i * 6 + 5, tile, c] = 4 * d1 - 5 * d3 + d5


@jit(fastmath=FUSED)
def _transform_output(m, tile, bias, half, rows, left):
    """rows[:, left : left + 4] = A^T m[:, tile] A + bias."""
    channels = m.shape[2]
    for j in range(6):
        for c in range(channels):
            m0, m1, m2 = m[j, tile, c], m[6 + j, tile, c], m[12 + j, tile, c]
            m3, m4, m5 = m[18 + j, tile, c], m[24 + j, tile, c], m[30 + j, tile, c]
            half[0, j, c] = m0 + (m1 + m2) + (m3 + m4)
            half[1, j, c] = (m1 - m2) + 2 * (m3 - m4)
            half[2, j, c] = (m1 + m2) + 4 * (m3 + m4)
            half[3, j, c] = (m1 - m2) + 8 * (m3 - m4) + m5
    for i in range(4):
        for c in range(channels):
            m0, m1, m2 = half[i, 0, c], half[i, 1, c], half[i, 2, c]
            m3, m4, m5 = half[i, 3, c], half[i, 4, c], half[i, 5, c]
            rows[i, left, c] = m0 + (m1 + m2) + (m3 + m4) + bias[c]
            rows[i, left + 1, c] = (m1 - m2) + 2 * (m3 - m4) + bias[c]
            rows[i, left + 2, c] = (m1 + m2) + 4 * (m3 + m4) + bias[c]
            rows[i, left + 3, c] = (m1 - m2) + 8 * (m3 - m4) + m5 + bias[c]


@jit(fastmath=FUSED)
def _transform_gradient(rows, left, half, z, tile):
    """z[:, tile] = A dy A^T for the 4x4 pixels from column `left` on."""
    channels = rows.shape[2]
    for j in range(4):
        for c in range(channels):
            g0, g1, g2, g3 = (
                rows[0, left + j, c],
                rows[1, left + j, c],
                rows[2, left + j, c],
                rows[3, left + j, c],
            )
            half[0, j, c] = g0
            half[1, j, c] = (g0 + g2) + (g1 + g3)
            half[2, j, c] = (g0 + g2) - (g1 + g3)
            half[3, j, c] = (g0 + 4 * g2) + (2 * g1 + 8 * g3)
            half[4, j, c] = (g0 + 4 * g2) - (2 * g1 + 8 * g3)
            half[5, j, c] = g3
    for i in range(6):
        for c in range(channels):
            g0, g1, g2, g3 = half[i, 0, c], half[i, 1, c], half[i, 2, c], half[i, 3, c]
            z[i * 6, tile, c] = g0
            z[i * 6 + 1, tile, c] = (g0 + g2) + (g1 + g3)
            z[i * 6 + 2, tile, c] = (g0 + g2) - (g1 + g3)
            z[i * 6 + 3, tile, c] = (g0 + 4 * g2) + (2 * g1 + 8 * g3)
            z[i * 6 + 4, tile, c] = (g0 + 4 * g2) - (2 * g1 + 8 * g3)
            z[i * 6 + 5, tile, c] = g3


@jit
def _forward_task(x, x_shape, x_strides, u, bias, y, y_shape, y_strides, pad, first, last):
    """Rows of tiles `first` to `last`, counted through all images."""
    batch, channels, height, width = x_shape
    _, out_channels, out_h, out_w = y_shape
    down, across = (out_h + 3) // 4, (out_w + 3) // 4
    tiles = (last - first) * across
    rows = np.empty((6, 4 * across + 2, channels), np.float32)
    half = np.empty((6, 6, max(channels, out_channels)), np.float32)
    v = np.empty((36, tiles, channels), np.float32)
    m = np.empty((36, tiles, out_channels), np.float32)
    for r in range(first, last):
        top = r % down * 4 - pad[0]
        _load_rows(x, x_strides, r // down, top, -pad[1], height, width, rows)
        for t in range(across):
            _transform_input(rows, 4 * t, half, v, (r - first) * across + t)
    for k in range(36):
        np.dot(v[k], u[k], m[k])
    out_rows = np.empty((4, 4 * across, out_channels), np.float32)
    for r in range(first, last):
        for t in range(across):
            _transform_output(m, (r - first) * across + t, bias, half, out_rows, 4 * t)
        _store_rows(out_rows, y, y_strides, r // down, r % down * 4, out_h, out_w)


@jit(parallel=True)
def _forward(x, x_shape, x_strides, u, bias, y, y_shape, y_strides, pad, run):
    """x and y are flat; u (36, C, O); a task takes `run` rows of tiles."""
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
    half = np.empty((6, 6, max(x_shape[1], y_shape[1])), np.float32)
    image, top = row // down, row % down * 4
    _load_rows(x, x_strides, image, top - pad[0], -pad[1], x_shape[2], x_shape[3], rows)
    _load_rows(dy, y_strides, image, top, 0, y_shape[2], y_shape[3], dy_rows)
    for t in range(across):
        _transform_input(rows, 4 * t, half, v, tile + t)
        _transform_gradient(dy_rows, 4 * t, half, z, tile + t)


@jit
def _multiply_task(v, z, product, du):
    np.dot(v.T, z, product)
    du += product


@jit(parallel=True)
def _weight_gradient(x, x_shape, x_strides, dy, y_shape, y_strides, pad, run, du):
    """du (36, C, O), zeros: adds V^T Z, `run` rows of tiles at a time."""
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
            product = np.empty((x_shape[1], y_shape[1]), np.float32)
            _multiply_task(v[k], z[k], product, du[k])


def _flat(array):
    """The array as one axis (a copy if neither NCHW nor NHWC is contiguous), its shape, its strides."""
    nhwc = array.transpose(0, 2, 3, 1)
    if not (array.flags.writeable and array.dtype.isnative and nhwc.flags.c_contiguous):
        array = np.require(array, requirements=["C", "A", "W"])
        nhwc = None
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return (array if nhwc is None else nhwc).reshape(array.size), array.shape, strides


def forward(x, weight, bias, y, padding):
    """Write the convolution of x with weight (O, C, 3, 3) into y."""
    out_channels, channels = weight.shape[:2]
    kernels = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(9, channels * out_channels)
    u = (_KERNEL_TRANSFORM @ kernels).reshape(36, channels, out_channels)
    if bias is None:
        bias = np.zeros(out_channels, np.float32)
    run = max(1, TILES // ((y.shape[3] + 3) // 4))
    with single_threaded_blas():
        _forward(*_flat(x), u, np.require(bias, requirements=["C", "A", "W"]), *_flat(y), padding, run)


def input_gradient(dy, weight, dx, padding):
    """Write the gradient of x into dx: convolution of dy with the turned kernels."""
    turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    forward(dy, turned, None, dx, (2 - padding[0], 2 - padding[1]))


def weight_gradient(dy, x, dweight, padding):
    """Write the gradient of the weight into dweight."""
    out_channels, channels = dweight.shape[:2]
    du = np.zeros((36, channels, out_channels), np.float32)
    run = max(1, SLAB // ((dy.shape[3] + 3) // 4))
    with single_threaded_blas():
        _weight_gradient(*_flat(x), *_flat(dy), padding, run, du)
    transformed = _KERNEL_TRANSFORM.T @ du.reshape(36, channels * out_channels)
    dweight[...] = transformed.reshape(3, 3, channels, out_channels).transpose(3, 2, 0, 1)
