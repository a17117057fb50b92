"""The compiled loops of Winograd's convolution; `winograd.py` and `two_by_two.py` say what they do.

An image comes as a tuple: flat array (channels last), C, H, W; kernels as `_transform_kernels` says. The transforms and
the tile products come as LLVM's instructions from `winograd_transforms.py` and `tile.py`.

V, U, M, Z and dU are stacks of matrices, one for each product, with a `pitch` from one to the next. It is a little more
than their size: at a multiple of 4096 bytes all that a transform writes would map to one set of the first-level cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from ..cpu.jit import jit
from ..cpu.tile import VECTOR_BYTES, WIDEST, multiply
from .winograd_transforms import (
    LANES,
    transform_back_2,
    transform_back_4,
    transform_gradient_2,
    transform_gradient_4,
    transform_input_2,
    transform_input_4,
    transform_kernel_2,
    transform_kernel_4,
    transform_output_2,
    transform_output_4,
)

WIDE = WIDEST * (VECTOR_BYTES // 4)  # columns of a matrix that are multiplied at once
RUN = 8  # tiles to a task where V of all is made
DEPTH = 128  # tiles summed at a time in the weight gradient: 64 channels of them fill half of the first-level cache
# Products that are added up by themselves before they are added to the sum so far: the error grows with the length,
# and the sum so far is read and written once for so many. AVX2's narrower tiles do less in between: there Winograd with
# 32 took 1.03 to 1.17 of the time with one sum, and with 64 takes 1.01 to 1.08 (AVX-512 with 32: 0.88 to 1.07), and an
# output's error is 8e-7 to 9e-7 instead of 6e-7 to 8e-7.
SUM = 32 if VECTOR_BYTES == 64 else 64


class Cuts(NamedTuple):
    """How a layer is cut."""

    size: int  # tiles of size x size outputs,
    tiles: int  # in all images,
    down: int  # `down` x `across` to an image,
    across: int
    groups: int  # in groups
    group: int  # of so many (the last may be smaller)
    inputs: int  # blocks of input channels
    rows: int  # of so many, the rows of U
    outputs: int  # blocks of output channels
    columns: int  # of so many, the columns of U


@jit
def _transform_tiles(image, cuts, padding, gradient, first, count, row, columns, v):
    """v[q, :, row + i] = V (Z if `gradient`) of tile first + i in the channels of block q, of `columns` each."""
    pixels, channels, height, width = image
    blocks, points, pitch = v.shape
    flat = v.reshape(v.size)
    for i in range(count):
        number, place = divmod(first + i, cuts.down * cuts.across)
        top = place // cuts.across * cuts.size - padding[0]
        left = place % cuts.across * cuts.size - padding[1]
        corner = ((number * height + top) * width + left) * channels
        for c in range(0, blocks * columns, LANES):
            source = corner + c, width * channels, channels, top, height, left, width, channels - c
            target = c // columns * points * pitch + (row + i) * columns + c % columns, pitch
            if cuts.size == 2:
                if gradient:
                    transform_gradient_2(pixels, source, flat, target)
                else:
                    transform_input_2(pixels, source, flat, target)
            elif gradient:
                transform_gradient_4(pixels, source, flat, target)
            else:
                transform_input_4(pixels, source, flat, target)


@jit
def _transform_kernels(kernels, cuts, b, q, u):
    """u[:, c, o] = U of the kernel from channel c of block q to output o of block b; 0 beyond the last.

    The kernel from channel c to output o begins at taps[o * stride_o + c * stride_c]; its taps are read backwards if
    `rotated`.
    """
    taps, out_channels, channels, stride_o, stride_c, rotated = kernels
    pitch = u.shape[1]
    flat = u.reshape(u.size)
    for o in range(0, cuts.columns, LANES):
        output = b * cuts.columns + o
        for c in range(cuts.rows):
            channel = q * cuts.rows + c
            lanes = out_channels - output if channel < channels else 0
            source = output * stride_o + channel * stride_c, stride_o, lanes, rotated
            target = c * cuts.columns + o, pitch
            if cuts.size == 2:
                transform_kernel_2(taps, source, flat, target)
            else:
                transform_kernel_4(taps, source, flat, target)


@jit
def _finish(m, image, epilogue, cuts, first, count, b):
    """Write the pixels of tiles `first` to first + count in the channels of block b: y = A^T M A, and what follows."""
    pixels, channels, height, width = image
    pitch = m.shape[1]
    flat = m.reshape(m.size)
    for i in range(count):
        number, place = divmod(first + i, cuts.down * cuts.across)
        top, left = place // cuts.across * cuts.size, place % cuts.across * cuts.size
        corner = ((number * height + top) * width + left) * channels
        for o in range(0, cuts.columns, LANES):
            channel = b * cuts.columns + o
            source = i * cuts.columns + o, pitch
            target = corner + channel, width * channels, channels, top, height, left, width, channels - channel
            scale, shift = epilogue.scale[channel:], epilogue.shift[channel:]
            if cuts.size == 2:
                transform_output_2(flat, source, pixels, target, scale, shift, epilogue.floor)
            else:
                transform_output_4(flat, source, pixels, target, scale, shift, epilogue.floor)


@jit
def _finish_kernels(du, dweight, shape, cuts, b, q):
    """dweight (flat; kernels of 9 taps of `shape` (O, C)) = G^T dU G, for outputs of block b, channels of block q."""
    out_channels, channels = shape
    pitch = du.shape[1]
    flat = du.reshape(du.size)
    for o in range(min(cuts.columns, out_channels - b * cuts.columns)):
        for c in range(0, cuts.rows, LANES):
            channel = q * cuts.rows + c
            source = o * cuts.rows + c, pitch
            target = ((b * cuts.columns + o) * channels + channel) * 9, 9, channels - channel
            if cuts.size == 2:
                transform_back_2(flat, source, dweight, target)
            else:
                transform_back_4(flat, source, dweight, target)


@jit
def _multiply(a, rows, depths, b, lines, columns, fresh, c, targets):
    """c[k] = a[k] b[k], added to c[k] if that is not `fresh`, for each of the products; b has `columns`.

    Row i of a[k] begins at a[k, rows[i]] and its numbers lie at `depths` from there; those of b and c begin at `lines`
    and `targets`.
    """
    zero, zeros = np.zeros(WIDE, a.dtype), np.zeros(len(rows), np.int64)
    for k in range(len(a)):
        for j in range(0, columns, WIDE):
            valid = min(WIDE, columns - j)
            vectors = valid // (WIDE // WIDEST)
            to = c[k][j:]
            for d in range(0, len(depths), SUM):
                part, part_lines = depths[d : d + SUM], lines[d : d + SUM]
                if fresh and d == 0:
                    multiply(a[k], rows, part, b[k][j:], part_lines, zero, zeros, to, targets, vectors, valid)
                else:
                    multiply(a[k], rows, part, b[k][j:], part_lines, to, targets, to, targets, vectors, valid)


@jit
def _add(target, source):
    target, source = target.reshape(target.size), source.reshape(source.size)
    for p in range(target.size):
        target[p] += source[p]


@jit
def _forward(v, u, m, cuts, count, fresh):
    """M (+)= V U for `count` tiles, one block of input channels and one of output channels."""
    tiles, channels = np.arange(count), np.arange(cuts.rows)
    rows, lines, targets = tiles * cuts.rows, channels * cuts.columns, tiles * cuts.columns
    _multiply(v, rows, channels, u, lines, cuts.columns, fresh, m, targets)


@jit
def _gradient(z, v, du, cuts, row, count, fresh):
    """dU (+)= Z^T V over `count` tiles from `row` on, for one block of outputs and one of input channels."""
    tiles, outputs = np.arange(row, row + count), np.arange(cuts.columns)
    lines, targets = tiles * cuts.rows, outputs * cuts.rows
    _multiply(z, outputs, tiles * cuts.columns, v, lines, cuts.rows, fresh, du, targets)


@jit
def _add_pixels(z, columns, count, total, sums):
    """Add all pixels of `count` tiles to the sums, one to a channel: `total` makes them of the products' Z."""
    for k in range(len(z)):
        if total[k] != 0:
            for i in range(count):
                for o in range(columns):
                    sums[o] += total[k] * z[k, i * columns + o]


@jit(parallel=True)
def by_tiles(x, kernels, epilogue, y, padding, cuts, v, u, m):
    """Each worker makes V of one group of tiles at a time and multiplies it by all of U."""
    for pair in prange(cuts.outputs * cuts.inputs):
        b, q = pair // cuts.inputs, pair % cuts.inputs
        _transform_kernels(kernels, cuts, b, q, u[b, q])
    for worker in prange(len(v)):
        for g in range(worker, cuts.groups, len(v)):
            first = g * cuts.group
            count = min(cuts.group, cuts.tiles - first)
            _transform_tiles(x, cuts, padding, False, first, count, 0, cuts.rows, v[worker])
            for b in range(cuts.outputs):
                for q in range(cuts.inputs):
                    _forward(v[worker, q], u[b, q], m[worker], cuts, count, q == 0)
                _finish(m[worker], y, epilogue, cuts, first, count, b)


@jit(parallel=True)
def by_outputs(x, kernels, epilogue, y, padding, cuts, v, u, m):
    """Each worker makes U of one pair of blocks at a time and multiplies it by all of V, its own or a shared one."""
    shared = len(v) < len(u)
    for run in prange(-(-cuts.tiles // RUN) if shared else 0):
        first = run * RUN
        _transform_tiles(x, cuts, padding, False, first, min(RUN, cuts.tiles - first), first, cuts.rows, v[0])
    for worker in prange(len(u)):
        mine = v[int(worker) % len(v)]
        if not shared:
            _transform_tiles(x, cuts, padding, False, 0, cuts.tiles, 0, cuts.rows, mine)
        for b in range(worker, cuts.outputs, len(u)):
            for q in range(cuts.inputs):
                _transform_kernels(kernels, cuts, b, q, u[worker])
                _forward(mine[q], u[worker], m[worker], cuts, cuts.tiles, q == 0)
            _finish(m[worker], y, epilogue, cuts, 0, cuts.tiles, b)


@jit(parallel=True)
def gradient_by_tiles(x, dy, dweight, total, sums, shape, padding, cuts, v, z, du):
    """Each worker multiplies V and Z of one group of tiles at a time; dU is summed in parts fixed by the shapes.

    So are the `sums` of dy over tiles and pixels, (parts, outputs, columns); `total` is a number for each product, with
    which their Z add up to all pixels of a tile.
    """
    parts = len(du)
    for worker in prange(len(v)):
        for part in range(worker, parts, len(v)):
            for g in range(part, cuts.groups, parts):
                first = g * cuts.group
                count = min(cuts.group, cuts.tiles - first)
                _transform_tiles(x, cuts, padding, False, first, count, 0, cuts.rows, v[worker])
                _transform_tiles(dy, cuts, (0, 0), True, first, count, 0, cuts.columns, z[worker])
                for b in range(cuts.outputs):
                    _add_pixels(z[worker, b], cuts.columns, count, total, sums[part, b])
                    for q in range(cuts.inputs):
                        _gradient(z[worker, b], v[worker, q], du[part, b, q], cuts, 0, count, g == part)
    for cell in prange(cuts.outputs * cuts.inputs):
        b, q = cell // cuts.inputs, cell % cuts.inputs
        for part in range(1, parts):
            _add(du[0, b, q], du[part, b, q])
        _finish_kernels(du[0, b, q], dweight, shape, cuts, b, q)


@jit(parallel=True)
def gradient_by_outputs(x, dy, dweight, total, sums, shape, padding, cuts, v, z, du):
    """Each worker keeps dU of one pair of blocks at a time, over all tiles."""
    for run in prange(-(-cuts.tiles // RUN)):
        first = run * RUN
        count = min(RUN, cuts.tiles - first)
        _transform_tiles(x, cuts, padding, False, first, count, first, cuts.rows, v)
        _transform_tiles(dy, cuts, (0, 0), True, first, count, first, cuts.columns, z)
    for worker in prange(len(du)):
        for cell in range(worker, cuts.outputs * cuts.inputs, len(du)):
            b, q = cell // cuts.inputs, cell % cuts.inputs
            if q == 0:
                _add_pixels(z[b], cuts.columns, cuts.tiles, total, sums[0, b])
            for row in range(0, cuts.tiles, DEPTH):
                count = min(DEPTH, cuts.tiles - row)
                _gradient(z[b], v[q], du[worker], cuts, row, count, row == 0)
            _finish_kernels(du[worker], dweight, shape, cuts, b, q)
