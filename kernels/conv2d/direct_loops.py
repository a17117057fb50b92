"""The compiled loops of the direct convolution; `direct.py` says what they do.

In one file, as Numba's cache does not see a change in another one.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..jit import REASSOCIATE, jit

FUSED = {"contract"}
TILE = 1600  # pixels worked on at a time: 4 rows of them fit in the first-level cache
_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which would stop vectorising


@jit(fastmath=FUSED)
def _accumulate_4x4(y, y0, y1, y2, y3, x, x0, x1, x2, x3, weight, o, t, length):
    """y[yi + p] += sum over j < 4 of weight[o + i, t + j] * x[xj + p], for i < 4 and p < length."""
    w00, w01, w02, w03 = weight[o, t], weight[o, t + 1], weight[o, t + 2], weight[o, t + 3]
    w10, w11, w12, w13 = weight[o + 1, t], weight[o + 1, t + 1], weight[o + 1, t + 2], weight[o + 1, t + 3]
    w20, w21, w22, w23 = weight[o + 2, t], weight[o + 2, t + 1], weight[o + 2, t + 2], weight[o + 2, t + 3]
    w30, w31, w32, w33 = weight[o + 3, t], weight[o + 3, t + 1], weight[o + 3, t + 2], weight[o + 3, t + 3]
    for p in range(_unsigned(length)):
        a, b, c, d = x[x0 + p], x[x1 + p], x[x2 + p], x[x3 + p]
        y[y0 + p] = y[y0 + p] + w00 * a + w01 * b + w02 * c + w03 * d
        y[y1 + p] = y[y1 + p] + w10 * a + w11 * b + w12 * c + w13 * d
        y[y2 + p] = y[y2 + p] + w20 * a + w21 * b + w22 * c + w23 * d
        y[y3 + p] = y[y3 + p] + w30 * a + w31 * b + w32 * c + w33 * d


@jit(fastmath=FUSED)
def _accumulate_2x4(y, y0, y1, x, x0, x1, x2, x3, weight, o, t, length):
    """The same for two rows of outputs."""
    w00, w01, w02, w03 = weight[o, t], weight[o, t + 1], weight[o, t + 2], weight[o, t + 3]
    w10, w11, w12, w13 = weight[o + 1, t], weight[o + 1, t + 1], weight[o + 1, t + 2], weight[o + 1, t + 3]
    for p in range(_unsigned(length)):
        a, b, c, d = x[x0 + p], x[x1 + p], x[x2 + p], x[x3 + p]
        y[y0 + p] = y[y0 + p] + w00 * a + w01 * b + w02 * c + w03 * d
        y[y1 + p] = y[y1 + p] + w10 * a + w11 * b + w12 * c + w13 * d


@jit(fastmath=FUSED)
def _accumulate_1x4(y, y0, x, x0, x1, x2, x3, weight, o, t, length):
    """The same for one row of outputs."""
    w0, w1, w2, w3 = weight[o, t], weight[o, t + 1], weight[o, t + 2], weight[o, t + 3]
    for p in range(_unsigned(length)):
        y[y0 + p] = y[y0 + p] + w0 * x[x0 + p] + w1 * x[x1 + p] + w2 * x[x2 + p] + w3 * x[x3 + p]


@jit(fastmath=REASSOCIATE)
def _dot_4x4(y, y0, y1, y2, y3, x, x0, x1, x2, x3, dweight, o, t, length):
    """dweight[o + i, t + j] += sum over p < length of y[yi + p] * x[xj + p], for i, j < 4."""
    w00 = w01 = w02 = w03 = w10 = w11 = w12 = w13 = np.float32(0)
    w20 = w21 = w22 = w23 = w30 = w31 = w32 = w33 = np.float32(0)
    for p in range(_unsigned(length)):
        a, b, c, d = x[x0 + p], x[x1 + p], x[x2 + p], x[x3 + p]
        e, f, g, h = y[y0 + p], y[y1 + p], y[y2 + p], y[y3 + p]
        w00 += e * a
        w01 += e * b
        w02 += e * c
        w03 += e * d
        w10 += f * a
        w11 += f * b
        w12 += f * c
        w13 += f * d
        w20 += g * a
        w21 += g * b
        w22 += g * c
        w23 += g * d
        w30 += h * a
        w31 += h * b
        w32 += h * c
        w33 += h * d
    dweight[o, t] += w00
    dweight[o, t + 1] += w01
    dweight[o, t + 2] += w02
    dweight[o, t + 3] += w03
    dweight[o + 1, t] += w10
    dweight[o + 1, t + 1] += w11
    dweight[o + 1, t + 2] += w12
    dweight[o + 1, t + 3] += w13
    dweight[o + 2, t] += w20
    dweight[o + 2, t + 1] += w21
    dweight[o + 2, t + 2] += w22
    dweight[o + 2, t + 3] += w23
    dweight[o + 3, t] += w30
    dweight[o + 3, t + 1] += w31
    dweight[o + 3, t + 2] += w32
    dweight[o + 3, t + 3] += w33


@jit(fastmath=REASSOCIATE)
def _dot_1x4(y, y0, x, x0, x1, x2, x3, dweight, o, t, length):
    """The same for one row of `y`."""
    w0 = w1 = w2 = w3 = np.float32(0)
    for p in range(_unsigned(length)):
        e = y[y0 + p]
        w0 += e * x[x0 + p]
        w1 += e * x[x1 + p]
        w2 += e * x[x2 + p]
        w3 += e * x[x3 + p]
    dweight[o, t] += w0
    dweight[o, t + 1] += w1
    dweight[o, t + 2] += w2
    dweight[o, t + 3] += w3


@jit
def _aligned(size, like):
    """An uninitialised array that starts on a cache line, so that no vector of it straddles two."""
    buffer = np.empty(size + 64 // like.itemsize, like.dtype)
    start = -buffer.ctypes.data % 64 // like.itemsize
    return buffer[start : start + size]


@jit
def _copy(source, start, target, to, length):
    start, to = _unsigned(start), _unsigned(to)
    for p in range(_unsigned(length)):
        target[to + p] = source[start + p]


@jit
def _fill(target, to, length, value):
    to = _unsigned(to)
    for p in range(_unsigned(length)):
        target[to + p] = value


@jit
def _interleave(rows, start, pitch, target, to, images, width):
    """target[to + w * images + n] = rows[start + n * pitch + w]: the images pixel by pixel."""
    if images == 1:
        _copy(rows, start, target, to, width)
        return
    start, pitch, to, count = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(images)
    for w in range(_unsigned(width)):
        for n in range(count):
            target[to + w * count + n] = rows[start + n * pitch + w]


@jit
def _deinterleave(source, start, rows, to, pitch, images, width):
    """The inverse of `_interleave`: rows[to + n * pitch + w] = source[start + w * images + n]."""
    if images == 1:
        _copy(source, start, rows, to, width)
        return
    start, pitch, to, count = _unsigned(start), _unsigned(pitch), _unsigned(to), _unsigned(images)
    for n in range(count):
        for w in range(_unsigned(width)):
            rows[to + n * pitch + w] = source[start + w * count + n]


@jit
def _gather(dy, image, images, channel, channels, outputs):
    """outputs[o, p] = dy[image + n, channel + o, oh, ow], p = (oh, ow, n)."""
    all_channels, area = dy.shape[1], dy.shape[2] * dy.shape[3]
    flat = dy.reshape(dy.size)
    for o in range(channels):
        start = (image * all_channels + channel + o) * area
        _interleave(flat, start, all_channels * area, outputs, o * area * images, images, area)


@jit
def _spread(x, image, images, channel, channels, spread, taps, out_w, stride, padding, dilation_w):
    """Write `spread`, as above, for `images` images and `channels` channels of x from the given ones on."""
    all_channels, height, width = x.shape[1:]
    (stride_h, stride_w), (pad_h, pad_w) = stride, padding
    slots = -(-(height + 2 * pad_h) // stride_h)
    row_length = out_w * images
    flat = x.reshape(x.size)
    line = _aligned((width + 2 * pad_w) * images, x)
    _fill(line, 0, line.size, 0)
    for c in range(channels):
        for u in range(height + 2 * pad_h):
            h = u - pad_h
            inside = 0 <= h < height
            if inside:
                start = ((image * all_channels + channel + c) * height + h) * width
                _interleave(flat, start, all_channels * height * width, line, pad_w * images, images, width)
            row = (u % stride_h) * slots + u // stride_h
            for kw in range(taps):
                to = ((c * taps + kw) * stride_h * slots + row) * row_length
                if not inside:
                    _fill(spread, to, row_length, 0)
                elif stride_w == 1:
                    _copy(line, kw * dilation_w * images, spread, to, row_length)
                else:
                    for ow in range(out_w):
                        _copy(line, (ow * stride_w + kw * dilation_w) * images, spread, to + ow * images, images)


@jit
def _fold(spread, dx, image, images, channel, channels, taps, out_w, stride, padding, dilation_w):
    """The adjoint of `_spread`: add every element of `spread` to the element of dx it was copied from."""
    all_channels, height, width = dx.shape[1:]
    (stride_h, stride_w), (pad_h, pad_w) = stride, padding
    slots = -(-(height + 2 * pad_h) // stride_h)
    row_length = out_w * images
    flat = dx.reshape(dx.size)
    line = _aligned((width + 2 * pad_w) * images, dx)
    # With a stride of 1 a whole row is added at once, otherwise a pixel at a time.
    run = row_length if stride_w == 1 else images
    for c in range(channels):
        for h in range(height):
            u = h + pad_h
            row = (u % stride_h) * slots + u // stride_h
            _fill(line, 0, line.size, 0)
            for kw in range(taps):
                start = ((c * taps + kw) * stride_h * slots + row) * row_length
                to = kw * dilation_w * images
                for done in range(0, row_length, run):
                    a, b = _unsigned(start + done), _unsigned(to + done * stride_w)
                    for p in range(_unsigned(run)):
                        line[b + p] += spread[a + p]
            to = ((image * all_channels + channel + c) * height + h) * width
            _deinterleave(line, pad_w * images, flat, to, all_channels * height * width, images, width)


@jit
def _rows(left):
    """How many rows the next call of `_accumulate` takes, of those that are left."""
    return 4 if left >= 4 else 2 if left >= 2 else 1


@jit
def _accumulate(y, y0, y_pitch, x, x0, x1, x2, x3, weight, o, t, rows, length):
    """`_accumulate_4x4` or its narrower sisters, for y rows at y0, y0 + y_pitch, ..."""
    y0, y_pitch = _unsigned(y0), _unsigned(y_pitch)
    x0, x1, x2, x3 = _unsigned(x0), _unsigned(x1), _unsigned(x2), _unsigned(x3)
    if rows == 4:
        y1, y2, y3 = y0 + y_pitch, y0 + _unsigned(2) * y_pitch, y0 + _unsigned(3) * y_pitch
        _accumulate_4x4(y, y0, y1, y2, y3, x, x0, x1, x2, x3, weight, o, t, length)
    elif rows == 2:
        _accumulate_2x4(y, y0, y0 + y_pitch, x, x0, x1, x2, x3, weight, o, t, length)
    else:
        _accumulate_1x4(y, y0, x, x0, x1, x2, x3, weight, o, t, length)


@jit
def _forward_task(x, image, images, group, first, last, weight, bias, offsets, y, taps, stride, padding, dilation):
    """Outputs `first` to `last` of one group, for a block of images."""
    out_channels, out_h, out_w = y.shape[1:]
    group_out, depth = weight.shape[1:]
    group_in = x.shape[1] // weight.shape[0]
    row_length = out_w * images
    slots = -(-(x.shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    size = group_in * taps * slots * row_length
    spread = _aligned(size + out_h * row_length, x)
    _fill(spread, size, out_h * row_length, 0)  # what the taps read that fill K up to a multiple of 4
    _spread(x, image, images, group * group_in, group_in, spread, taps, out_w, stride, padding, dilation[1])
    tile_rows = max(1, min(out_h, TILE // row_length))
    tile = _aligned(4 * tile_rows * row_length, x)
    flat = y.reshape(y.size)
    for oh in range(0, out_h, tile_rows):
        length = min(tile_rows, out_h - oh) * row_length
        shift = oh * row_length
        o = first
        while o < last:
            rows = _rows(last - o)
            for i in range(rows):
                _fill(tile, i * length, length, bias[group * group_out + o + i])
            for t in range(0, depth, 4):
                x0, x1 = offsets[t] * row_length + shift, offsets[t + 1] * row_length + shift
                x2, x3 = offsets[t + 2] * row_length + shift, offsets[t + 3] * row_length + shift
                _accumulate(tile, 0, length, spread, x0, x1, x2, x3, weight[group], o, t, rows, length)
            for i in range(rows):
                to = ((image * out_channels + group * group_out + o + i) * out_h + oh) * out_w
                pitch = out_channels * out_h * out_w
                _deinterleave(tile, i * length, flat, to, pitch, images, length // images)
            o += rows


@jit(parallel=True)
def forward(x, weight, bias, offsets, y, taps, stride, padding, dilation, block, splits):
    """y from x; weight (groups, O, K) and offsets (K), K a multiple of 4, in the order (c, kw, kh)."""
    batch, groups, group_out = len(x), weight.shape[0], weight.shape[1]
    for task in prange(-(-batch // block) * groups * splits):
        image, group, split = task // (groups * splits) * block, task // splits % groups, task % splits
        first, last = group_out * split // splits, group_out * (split + 1) // splits
        images = min(block, batch - image)
        _forward_task(x, image, images, group, first, last, weight, bias, offsets, y, taps, stride, padding, dilation)


@jit
def _input_gradient_task(
    dy, image, images, group, first, last, weight, kernel_rows, dx, taps, stride, padding, dilation
):
    """Input channels `first` to `last` of one group, for a block of images."""
    out_channels, out_h, out_w = dy.shape[1:]
    kernel_h, groups, _, padded_out = weight.shape
    group_out, group_in = out_channels // groups, dx.shape[1] // groups
    row_length = out_w * images
    plane = out_h * row_length
    slots = -(-(dx.shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    spread = _aligned((last - first) * taps * slots * row_length, dy)
    _fill(spread, 0, spread.size, 0)
    outputs = _aligned(padded_out * plane, dy)
    _fill(outputs, group_out * plane, (padded_out - group_out) * plane, 0)
    _gather(dy, image, images, group * group_out, group_out, outputs)
    tile_rows = max(1, min(out_h, TILE // 2 // row_length))
    for oh in range(0, out_h, tile_rows):
        length = min(tile_rows, out_h - oh) * row_length
        m = first * taps
        while m < last * taps:
            rows = _rows(last * taps - m)
            for kh in range(kernel_h):
                to = ((m - first * taps) * slots + kernel_rows[kh] + oh) * row_length
                for t in range(0, padded_out, 4):
                    x0 = t * plane + oh * row_length
                    x1, x2, x3 = x0 + plane, x0 + 2 * plane, x0 + 3 * plane
                    _accumulate(
                        spread, to, slots * row_length, outputs,
                        x0, x1, x2, x3, weight[kh, group], m, t, rows, length
                    )  # fmt: skip
            m += rows
    _fold(
        spread,
        dx,
        image,
        images,
        group * group_in + first,
        last - first,
        taps,
        out_w,
        stride,
        padding,
        dilation[1],
    )


@jit(parallel=True)
def input_gradient(dy, weight, kernel_rows, dx, taps, stride, padding, dilation, block, splits):
    """dx from dy; weight (KH, groups, C * KW, O), O a multiple of 4; kernel_rows: where each kh starts."""
    batch, groups = len(dy), weight.shape[1]
    group_in = dx.shape[1] // groups
    for task in prange(-(-batch // block) * groups * splits):
        image, group, split = task // (groups * splits) * block, task // splits % groups, task % splits
        first, last = group_in * split // splits, group_in * (split + 1) // splits
        images = min(block, batch - image)
        _input_gradient_task(
            dy, image, images, group, first, last, weight, kernel_rows, dx, taps, stride, padding, dilation
        )  # fmt: skip


@jit
def _weight_gradient_task(dy, x, image, images, group, offsets, dweight, taps, stride, padding, dilation):
    """Add what a block of images contributes to one group's dweight (O, K)."""
    out_channels, out_h, out_w = dy.shape[1:]
    group_out, depth = dweight.shape
    groups = out_channels // group_out
    group_in = x.shape[1] // groups
    row_length = out_w * images
    plane = out_h * row_length
    slots = -(-(x.shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    size = group_in * taps * slots * row_length
    spread = _aligned(size + plane, x)
    _fill(spread, size, plane, 0)
    _spread(x, image, images, group * group_in, group_in, spread, taps, out_w, stride, padding, dilation[1])
    outputs = _aligned(group_out * plane, dy)
    _gather(dy, image, images, group * group_out, group_out, outputs)
    tile_rows = max(1, min(out_h, TILE // row_length))
    pitch = _unsigned(plane)
    for oh in range(0, out_h, tile_rows):
        length = min(tile_rows, out_h - oh) * row_length
        shift = oh * row_length
        for t in range(0, depth, 4):
            x0, x1 = (
                _unsigned(offsets[t] * row_length + shift),
                _unsigned(offsets[t + 1] * row_length + shift),
            )
            x2, x3 = (
                _unsigned(offsets[t + 2] * row_length + shift),
                _unsigned(offsets[t + 3] * row_length + shift),
            )
            o = 0
            while o < group_out:
                y0 = _unsigned(o * plane + shift)
                if group_out - o >= 4:
                    y1, y2, y3 = y0 + pitch, y0 + _unsigned(2) * pitch, y0 + _unsigned(3) * pitch
                    _dot_4x4(outputs, y0, y1, y2, y3, spread, x0, x1, x2, x3, dweight, o, t, length)
                    o += 4
                else:
                    _dot_1x4(outputs, y0, spread, x0, x1, x2, x3, dweight, o, t, length)
                    o += 1


@jit(parallel=True)
def weight_gradient(dy, x, offsets, partial, taps, stride, padding, dilation, block):
    """partial (parts, groups, O, K), zeros: part i receives the sum over its own blocks of images."""
    batch, parts, groups = len(x), partial.shape[0], partial.shape[1]
    blocks = -(-batch // block)
    for task in prange(parts * groups):
        part, group = task // groups, task % groups
        for b in range(blocks * part // parts, blocks * (part + 1) // parts):
            images = min(block, batch - b * block)
            dweight = partial[part, group]
            _weight_gradient_task(
                dy, x, b * block, images, group, offsets, dweight, taps, stride, padding, dilation
            )  # fmt: skip
