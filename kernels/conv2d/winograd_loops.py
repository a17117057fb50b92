"""The compiled loops of Winograd's convolution; `winograd.py` says what they do.

In one file, as Numba's cache does not see a change in another one. An image comes as a tuple: flat array, C, H, W and
the four strides; kernels as `_transform_kernels` says. A tile of LANES channels is worked on in a small array t: six
rows of six vectors. All its distances are constants, so the compiler makes straight vector code of a transform.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..jit import jit

FUSED = {"contract"}
LANES = 16  # channels transformed at once: one vector of float32 (AVX-512)
ROW = 6 * LANES  # a row of t
BIAS = 6 * ROW  # after the tile there is room for LANES biases
# An int would make the arithmetic float64.
_2, _4, _5, _8 = (np.float32(number) for number in (2, 4, 5, 8))
_SIXTH, _QUARTER, _TWELFTH = (np.float32(1 / number) for number in (6, 4, 12))


class Cuts(NamedTuple):
    """How a layer is cut."""

    tiles: int  # of all images,
    down: int  # `down` x `across` to an image,
    across: int
    groups: int  # in groups
    group: int  # of so many (the last may be smaller)
    inputs: int  # blocks of input channels
    rows: int  # of so many, the rows of U
    outputs: int  # blocks of output channels
    columns: int  # of so many, the columns of U


@intrinsic
def _move(typing_context, target, to, source, start):
    """target[to : to + LANES] = source[start : start + LANES], for one-dimensional contiguous arrays of float32.

    A memcpy of constant size is a load and a store of a vector; a loop would first test whether the two overlap.
    """

    def generate(context, builder, signature, arguments):
        pointers = [
            cgutils.gep_inbounds(builder, context.make_array(kind)(context, builder, array).data, at)
            for kind, array, at in zip(signature.args[::2], arguments[::2], arguments[1::2], strict=True)
        ]
        cgutils.raw_memcpy(builder, *pointers, context.get_constant(types.intp, LANES), itemsize=4)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp), generate


@jit
def _get_6(x, at, step):
    return x[at], x[at + step], x[at + 2 * step], x[at + 3 * step], x[at + 4 * step], x[at + 5 * step]


@jit
def _put_6(x, at, y):
    x[at], x[at + LANES], x[at + 2 * LANES], x[at + 3 * LANES], x[at + 4 * LANES], x[at + 5 * LANES] = y


@jit(fastmath=FUSED)
def _input_1d(a, b, c, d, e, f):
    """B^T x."""
    even, odd = e - _4 * c, d - _4 * b
    even_2, odd_2 = e - c, _2 * (d - b)
    return _4 * a - _5 * c + e, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, _4 * b - _5 * d + f


@jit(fastmath=FUSED)
def _output_1d(a, b, c, d, e, f):
    """A^T x."""
    even, odd, even_2, odd_2 = b + c, b - c, d + e, d - e
    return a + even + even_2, odd + _2 * odd_2, even + _4 * even_2, odd + _8 * odd_2 + f


@jit(fastmath=FUSED)
def _gradient_1d(a, b, c, d):
    """A x."""
    even, odd, even_2, odd_2 = a + c, b + d, a + _4 * c, _2 * b + _8 * d
    return a, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, d


@jit(fastmath=FUSED)
def _kernel_1d(a, b, c):
    """G x."""
    even, odd = -_SIXTH * (a + c), _SIXTH * b
    even_2, odd_2 = _SIXTH * (_QUARTER * a + c), _TWELFTH * b
    return _QUARTER * a, even - odd, even + odd, even_2 + odd_2, even_2 - odd_2, c


@jit(fastmath=FUSED)
def _back_1d(a, b, c, d, e, f):
    """G^T x."""
    even, odd, even_2, odd_2 = _SIXTH * (b + c), _SIXTH * (c - b), _SIXTH * (d + e), _TWELFTH * (d - e)
    return _QUARTER * (a + even_2) - even, odd + odd_2, even_2 - even + f


@jit
def _transform_input(t):
    """Replace the 6x6 pixels of t by V: the columns first, then the rows."""
    for p in range(LANES):
        a = _input_1d(*_get_6(t, p, ROW))
        b = _input_1d(*_get_6(t, p + LANES, ROW))
        c = _input_1d(*_get_6(t, p + 2 * LANES, ROW))
        d = _input_1d(*_get_6(t, p + 3 * LANES, ROW))
        e = _input_1d(*_get_6(t, p + 4 * LANES, ROW))
        f = _input_1d(*_get_6(t, p + 5 * LANES, ROW))
        _put_6(t, p, _input_1d(a[0], b[0], c[0], d[0], e[0], f[0]))
        _put_6(t, p + ROW, _input_1d(a[1], b[1], c[1], d[1], e[1], f[1]))
        _put_6(t, p + 2 * ROW, _input_1d(a[2], b[2], c[2], d[2], e[2], f[2]))
        _put_6(t, p + 3 * ROW, _input_1d(a[3], b[3], c[3], d[3], e[3], f[3]))
        _put_6(t, p + 4 * ROW, _input_1d(a[4], b[4], c[4], d[4], e[4], f[4]))
        _put_6(t, p + 5 * ROW, _input_1d(a[5], b[5], c[5], d[5], e[5], f[5]))


@jit
def _transform_gradient(t):
    """Replace the 4x4 pixels of t (in rows of 6) by Z."""
    for p in range(LANES):
        a = _gradient_1d(*_get_6(t, p, ROW)[:4])
        b = _gradient_1d(*_get_6(t, p + LANES, ROW)[:4])
        c = _gradient_1d(*_get_6(t, p + 2 * LANES, ROW)[:4])
        d = _gradient_1d(*_get_6(t, p + 3 * LANES, ROW)[:4])
        _put_6(t, p, _gradient_1d(a[0], b[0], c[0], d[0]))
        _put_6(t, p + ROW, _gradient_1d(a[1], b[1], c[1], d[1]))
        _put_6(t, p + 2 * ROW, _gradient_1d(a[2], b[2], c[2], d[2]))
        _put_6(t, p + 3 * ROW, _gradient_1d(a[3], b[3], c[3], d[3]))
        _put_6(t, p + 4 * ROW, _gradient_1d(a[4], b[4], c[4], d[4]))
        _put_6(t, p + 5 * ROW, _gradient_1d(a[5], b[5], c[5], d[5]))


@jit
def _transform_kernel(t):
    """Replace the 3x3 taps of t (in rows of 6) by U."""
    for p in range(LANES):
        a = _kernel_1d(*_get_6(t, p, ROW)[:3])
        b = _kernel_1d(*_get_6(t, p + LANES, ROW)[:3])
        c = _kernel_1d(*_get_6(t, p + 2 * LANES, ROW)[:3])
        _put_6(t, p, _kernel_1d(a[0], b[0], c[0]))
        _put_6(t, p + ROW, _kernel_1d(a[1], b[1], c[1]))
        _put_6(t, p + 2 * ROW, _kernel_1d(a[2], b[2], c[2]))
        _put_6(t, p + 3 * ROW, _kernel_1d(a[3], b[3], c[3]))
        _put_6(t, p + 4 * ROW, _kernel_1d(a[4], b[4], c[4]))
        _put_6(t, p + 5 * ROW, _kernel_1d(a[5], b[5], c[5]))


@jit
def _transform_output(t):
    """Replace M in t by 4x4 pixels of y (in rows of 6), the bias added."""
    for p in range(LANES):
        a = _output_1d(*_get_6(t, p, ROW))
        b = _output_1d(*_get_6(t, p + LANES, ROW))
        c = _output_1d(*_get_6(t, p + 2 * LANES, ROW))
        d = _output_1d(*_get_6(t, p + 3 * LANES, ROW))
        e = _output_1d(*_get_6(t, p + 4 * LANES, ROW))
        f = _output_1d(*_get_6(t, p + 5 * LANES, ROW))
        bias = t[p + BIAS]
        _put_4(t, p, bias, _output_1d(a[0], b[0], c[0], d[0], e[0], f[0]))
        _put_4(t, p + ROW, bias, _output_1d(a[1], b[1], c[1], d[1], e[1], f[1]))
        _put_4(t, p + 2 * ROW, bias, _output_1d(a[2], b[2], c[2], d[2], e[2], f[2]))
        _put_4(t, p + 3 * ROW, bias, _output_1d(a[3], b[3], c[3], d[3], e[3], f[3]))


@jit
def _put_4(x, at, bias, y):
    x[at], x[at + LANES], x[at + 2 * LANES], x[at + 3 * LANES] = y[0] + bias, y[1] + bias, y[2] + bias, y[3] + bias


@jit
def _transform_back(t):
    """Replace dU in t by the gradient of 3x3 taps (in rows of 6)."""
    for p in range(LANES):
        a = _back_1d(*_get_6(t, p, ROW))
        b = _back_1d(*_get_6(t, p + LANES, ROW))
        c = _back_1d(*_get_6(t, p + 2 * LANES, ROW))
        d = _back_1d(*_get_6(t, p + 3 * LANES, ROW))
        e = _back_1d(*_get_6(t, p + 4 * LANES, ROW))
        f = _back_1d(*_get_6(t, p + 5 * LANES, ROW))
        t[p], t[p + LANES], t[p + 2 * LANES] = _back_1d(a[0], b[0], c[0], d[0], e[0], f[0])
        t[p + ROW], t[p + ROW + LANES], t[p + ROW + 2 * LANES] = _back_1d(a[1], b[1], c[1], d[1], e[1], f[1])
        t[p + 2 * ROW], t[p + 2 * ROW + LANES], t[p + 2 * ROW + 2 * LANES] = _back_1d(
            a[2], b[2], c[2], d[2], e[2], f[2]
        )


@jit
def _load(image, number, channel, top, left, size, t):
    """Fetch size x size pixels of LANES channels of an image into t; 0 outside of it."""
    flat, channels, height, width, stride_n, stride_c, stride_h, stride_w = image
    lanes = min(LANES, channels - channel)
    first, last = max(0, -left), min(size, width - left)
    if lanes < LANES or first > 0 or last < size or top < 0 or top + size > height:
        t[:BIAS] = 0
    for i in range(max(0, -top), min(size, height - top)):
        start = number * stride_n + channel * stride_c + (top + i) * stride_h + left * stride_w
        for j in range(first, last):
            to, at = i * ROW + j * LANES, start + j * stride_w
            if stride_c == 1 and lanes == LANES:
                _move(t, to, flat, at)
            else:
                for p in range(lanes):
                    t[to + p] = flat[at + p * stride_c]


@jit
def _store(t, image, number, channel, top, left):
    """Write 4x4 pixels to an image, as far as they lie inside: channel + n * LANES + p from t[n], lane p."""
    flat, channels, height, width, stride_n, stride_c, stride_h, stride_w = image
    for i in range(min(4, height - top)):
        for j in range(min(4, width - left)):
            at = i * ROW + j * LANES
            to = number * stride_n + channel * stride_c + (top + i) * stride_h + (left + j) * stride_w
            for n in range(len(t)):
                lanes = min(LANES, channels - channel - n * LANES)
                if stride_c == 1 and lanes == LANES:
                    _move(flat, to + n * LANES, t[n], at)
                else:
                    for p in range(lanes):
                        flat[to + (n * LANES + p) * stride_c] = t[n, at + p]


@jit
def _count(cuts, g):
    """Number of tiles in group g."""
    return min(cuts.group, cuts.tiles - g * cuts.group)


@jit
def _transform_tiles(image, cuts, padding, size, g, v):
    """v[q, :, i] = V (size 6) or Z (size 4) of tile i of group g, in the channels of block q."""
    blocks, _, group, columns = v.shape
    flat = v.reshape(v.size)
    t = np.empty(BIAS + LANES, np.float32)
    for i in range(_count(cuts, g)):
        number, place = divmod(g * cuts.group + i, cuts.down * cuts.across)
        top, left = place // cuts.across * 4 - padding[0], place % cuts.across * 4 - padding[1]
        for q in range(blocks):
            for c in range(0, columns, LANES):
                _load(image, number, q * columns + c, top, left, size, t)
                if size == 6:
                    _transform_input(t)
                else:
                    _transform_gradient(t)
                to = (q * 36 * group + i) * columns + c
                for k in range(36):
                    _move(flat, to + k * group * columns, t, k * LANES)


@jit
def _transform_kernels(kernels, b, q, u):
    """u[:, c, o] = U of the kernel from channel c of block q to output o of block b; 0 beyond the last.

    Tap i of the kernel from channel c to output o is taps[first_tap + o * stride_o + c * stride_c + i * stride_tap].
    """
    taps, out_channels, channels, first_tap, stride_o, stride_c, stride_tap = kernels
    _, rows, columns = u.shape
    flat = u.reshape(u.size)
    t = np.empty(BIAS + LANES, np.float32)
    for o in range(0, columns, LANES):
        output = b * columns + o
        lanes = min(LANES, out_channels - output)
        for c in range(rows):
            channel = q * rows + c
            if lanes < LANES or channel >= channels:
                t[:BIAS] = 0
            if channel < channels:
                start = first_tap + output * stride_o + channel * stride_c
                for i in range(9):
                    to, at = i // 3 * ROW + i % 3 * LANES, start + i * stride_tap
                    for p in range(lanes):
                        t[to + p] = taps[at + p * stride_o]
                _transform_kernel(t)
            for k in range(36):
                _move(flat, (k * rows + c) * columns + o, t, k * LANES)


@jit
def _finish(m, bias, image, cuts, g, b):
    """Write the pixels of group g in the channels of block b: y = A^T M A + bias."""
    _, group, columns = m.shape
    flat = m.reshape(m.size)
    t = np.empty((columns // LANES, BIAS + LANES), np.float32)
    for i in range(_count(cuts, g)):
        number, place = divmod(g * cuts.group + i, cuts.down * cuts.across)
        top, left = place // cuts.across * 4, place % cuts.across * 4
        for n in range(columns // LANES):
            for k in range(36):
                _move(t[n], k * LANES, flat, (k * group + i) * columns + n * LANES)
            _move(t[n], BIAS, bias, b * columns + n * LANES)
            _transform_output(t[n])
        _store(t, image, number, b * columns, top, left)


@jit
def _finish_kernels(du, dweight, shape, b, q):
    """dweight (flat; kernels of 9 taps of `shape` (O, C)) = G^T dU G, for outputs of block b, channels of block q."""
    _, rows, columns = du.shape
    out_channels, channels = shape
    flat = du.reshape(du.size)
    t = np.empty(BIAS + LANES, np.float32)
    for o in range(min(rows, out_channels - b * rows)):
        for c in range(0, columns, LANES):
            channel = q * columns + c
            for k in range(36):
                _move(t, k * LANES, flat, (k * rows + o) * columns + c)
            _transform_back(t)
            to = ((b * rows + o) * channels + channel) * 9
            for p in range(min(LANES, channels - channel)):
                for i in range(9):
                    dweight[to + p * 9 + i] = t[i // 3 * ROW + i % 3 * LANES + p]


@jit
def _add(target, source):
    target, source = target.reshape(target.size), source.reshape(source.size)
    for p in range(target.size):
        target[p] += source[p]


@jit
def _multiply(v, u, count, m, product, fresh):
    """m[k] += V[k] U[k], or = if fresh, for the first `count` tiles."""
    for k in range(36):
        np.dot(v[k][:count], u[k], (m[k] if fresh else product)[:count])
        if not fresh:
            _add(m[k][:count], product[:count])


@jit
def _multiply_transposed(z, v, count, du, product, fresh):
    """du[k] += Z[k]^T V[k], or = if fresh, over the first `count` tiles."""
    for k in range(36):
        np.dot(z[k][:count].T, v[k][:count], du[k] if fresh else product)
        if not fresh:
            _add(du[k], product)


@jit(parallel=True)
def by_tiles(x, kernels, bias, y, padding, cuts, v, u, m, product):
    """Each worker keeps V of one group of tiles at a time and meets it with all of U."""
    for pair in prange(cuts.outputs * cuts.inputs):
        b, q = pair // cuts.inputs, pair % cuts.inputs
        _transform_kernels(kernels, b, q, u[b, q])
    for worker in prange(len(v)):
        for g in range(worker, cuts.groups, len(v)):
            _transform_tiles(x, cuts, padding, 6, g, v[worker])
            for b in range(cuts.outputs):
                for q in range(cuts.inputs):
                    _multiply(v[worker, q], u[b, q], _count(cuts, g), m[worker], product[worker], q == 0)
                _finish(m[worker], bias, y, cuts, g, b)


@jit(parallel=True)
def by_outputs(x, kernels, bias, y, padding, cuts, v, u, m, product):
    """Each worker keeps U of one pair of blocks at a time and meets it with all of V."""
    for g in prange(cuts.groups):
        _transform_tiles(x, cuts, padding, 6, g, v[g])
    for worker in prange(len(u)):
        for b in range(worker, cuts.outputs, len(u)):
            for q in range(cuts.inputs):
                _transform_kernels(kernels, b, q, u[worker])
                for g in range(cuts.groups):
                    _multiply(v[g, q], u[worker], _count(cuts, g), m[worker, g], product[worker], q == 0)
            for g in range(cuts.groups):
                _finish(m[worker, g], bias, y, cuts, g, b)


@jit(parallel=True)
def gradient_by_tiles(x, dy, dweight, shape, padding, cuts, v, z, du, product):
    """Each worker meets V and Z of one group of tiles at a time; dU is summed in parts, the same in every run."""
    parts = len(du)
    for worker in prange(len(v)):
        for part in range(worker, parts, len(v)):
            for g in range(part, cuts.groups, parts):
                _transform_tiles(x, cuts, padding, 6, g, v[worker])
                _transform_tiles(dy, cuts, (0, 0), 4, g, z[worker])
                for b in range(cuts.outputs):
                    for q in range(cuts.inputs):
                        zb, vq, total = z[worker, b], v[worker, q], du[part, b, q]
                        _multiply_transposed(zb, vq, _count(cuts, g), total, product[worker], g == part)
    for cell in prange(cuts.outputs * cuts.inputs):
        b, q = cell // cuts.inputs, cell % cuts.inputs
        for part in range(1, parts):
            _add(du[0, b, q], du[part, b, q])
        _finish_kernels(du[0, b, q], dweight, shape, b, q)


@jit(parallel=True)
def gradient_by_outputs(x, dy, dweight, shape, padding, cuts, v, z, du, product):
    """Each worker keeps dU of one pair of blocks at a time, over all tiles."""
    for g in prange(cuts.groups):
        _transform_tiles(x, cuts, padding, 6, g, v[g])
        _transform_tiles(dy, cuts, (0, 0), 4, g, z[g])
    for worker in prange(len(du)):
        for cell in range(worker, cuts.outputs * cuts.inputs, len(du)):
            b, q = cell // cuts.inputs, cell % cuts.inputs
            for g in range(cuts.groups):
                _multiply_transposed(z[g, b], v[g, q], _count(cuts, g), du[worker], product[worker], g == 0)
            _finish_kernels(du[worker], dweight, shape, b, q)
