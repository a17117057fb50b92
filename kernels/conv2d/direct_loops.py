"""The compiled loops of the direct convolution; `direct.py` says what they do."""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import REASSOCIATE, jit
from ..cpu.tile import VECTOR_BYTES, WIDEST, aligned, multiply
from .epilogue import finish_channel, initial

TILE = 1600  # pixels summed at a time in the weight gradient: 4 rows of them fit in the first-level cache
COLUMNS = WIDEST * VECTOR_BYTES // 4  # of the widest tile of float32; no product is wider
_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which would stop vectorising


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
def _interleave(rows, start, pitch, step, target, to, images, width):
    """target[to + w * images + n] = rows[start + n * pitch + w * step]: the images pixel by pixel."""
    start, pitch, step, to, count = (
        _unsigned(start),
        _unsigned(pitch),
        _unsigned(step),
        _unsigned(to),
        _unsigned(images),
    )
    if images == 1 and step == 1:
        _copy(rows, start, target, to, width)
    elif images == 1:
        for w in range(_unsigned(width)):
            target[to + w] = rows[start + w * step]
    else:
        for w in range(_unsigned(width)):
            for n in range(count):
                target[to + w * count + n] = rows[start + n * pitch + w * step]


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
        _interleave(flat, start, all_channels * area, 1, outputs, o * area * images, images, area)


@jit
def _spread(x, shape, strides, image, images, channel, channels, spread, taps, out_w, stride, padding, dilation_w):
    """Write `spread`, as above, for `images` images and `channels` channels of x (flat) from the given ones on."""
    height, width = shape[2:]
    stride_n, stride_c, pitch_h, pitch_w = strides
    (stride_h, stride_w), (pad_h, pad_w) = stride, padding
    slots = -(-(height + 2 * pad_h) // stride_h)
    row_length = out_w * images
    line = aligned((width + 2 * pad_w) * images, x)
    _fill(line, 0, line.size, 0)
    for c in range(channels):
        for u in range(height + 2 * pad_h):
            h = u - pad_h
            inside = 0 <= h < height
            if inside:
                start = image * stride_n + (channel + c) * stride_c + h * pitch_h
                _interleave(x, start, stride_n, pitch_w, line, pad_w * images, images, width)
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
    line = aligned((width + 2 * pad_w) * images, dx)
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
def _multiply(a, rows, depths, b, columns, start, starts, c, targets, length):
    """The tile product for `length` columns, in pieces of about the same number of vectors, at most WIDEST.

    What the sums start from has rows of COLUMNS equal numbers; without it they are added to c.
    """
    lanes = VECTOR_BYTES // b.itemsize
    vectors = -(-length // lanes)
    pieces = -(-vectors // WIDEST)
    for piece in range(pieces):
        first, last = vectors * piece // pieces, vectors * (piece + 1) // pieces
        p = first * lanes
        valid, target = min(last * lanes, length) - p, c[p:]
        begin, begins = (start, starts) if len(start) else (target, targets)
        multiply(a, rows, depths, b[p:], columns, begin, begins, target, targets, last - first, valid)


@jit
def _store(outputs, y, strides, image, images, channel, channels, pixels):
    """y[image + n, channel + o, pixel] = outputs[o, pixel, n]; y is flat, `strides` those of (N, C, pixel)."""
    stride_n, stride_c, stride_p = strides
    if stride_p == 1:
        for o in range(channels):
            to = image * stride_n + (channel + o) * stride_c
            _deinterleave(outputs, o * pixels * images, y, to, stride_n, images, pixels)
        return
    pitch = _unsigned(pixels * images)
    for p in range(pixels):
        for n in range(images):
            to, start = _unsigned((image + n) * stride_n + p * stride_p + channel), _unsigned(p * images + n)
            for o in range(_unsigned(channels)):
                y[to + o] = outputs[start + o * pitch]


@jit(parallel=True)
def forward(
    x,
    x_shape,
    x_strides,
    weight,
    groups,
    epilogue,
    offsets,
    y,
    y_shape,
    strides,
    taps,
    stride,
    padding,
    dilation,
    block,
    splits,
):
    """y from x; weight flat (O, K), offsets (K), in the order (c, kh, kw); y flat."""
    batch, out_channels, out_h, out_w = y_shape
    depth, group_out, group_in = len(offsets), out_channels // groups, x_shape[1] // groups
    slots = -(-(x_shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    start = initial(epilogue)
    for task in prange(-(-batch // block) * groups * splits):
        image, group, split = task // (groups * splits) * block, task // splits % groups, task % splits
        first = group * group_out + group_out * split // splits
        count = group * group_out + group_out * (split + 1) // splits - first
        images = min(block, batch - image)
        row_length = out_w * images
        length = out_h * row_length
        # Whole vectors are read, so up to a vector beyond the end.
        spread = aligned(group_in * taps * slots * row_length + COLUMNS, x)
        _spread(
            x,
            x_shape,
            x_strides,
            image,
            images,
            group * group_in,
            group_in,
            spread,
            taps,
            out_w,
            stride,
            padding,
            dilation[1],
        )
        biases, outputs = np.empty(count * COLUMNS, x.dtype), aligned(count * length, x)
        for o in range(count):
            _fill(biases, o * COLUMNS, COLUMNS, start[first + o])
        places = np.arange(count)
        _multiply(
            weight, (first + places) * depth, np.arange(depth), spread, offsets * row_length, biases, places * COLUMNS,
            outputs, places * length, length,
        )  # fmt: skip
        for o in range(count):
            finish_channel(outputs, o * length, length, epilogue, first + o)
        _store(outputs, y, strides, image, images, first, count, out_h * out_w)


@jit(parallel=True)
def input_gradient(dy, weight, shape, kernel_rows, dx, taps, stride, padding, dilation, block, splits):
    """dx from dy; weight flat, shape (groups, O, C, KH, KW) of a group; kernel_rows: where each kh starts."""
    batch, (out_h, out_w) = len(dy), dy.shape[2:]
    groups, group_out, group_in, kernel_h, kernel_w = shape
    slots = -(-(dx.shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    area = kernel_h * kernel_w
    for task in prange(-(-batch // block) * groups * splits):
        image, group, split = task // (groups * splits) * block, task // splits % groups, task % splits
        first = group_in * split // splits
        count = group_in * (split + 1) // splits - first
        images = min(block, batch - image)
        row_length = out_w * images
        plane = out_h * row_length
        spread = aligned(count * taps * slots * row_length, dy)
        _fill(spread, 0, spread.size, 0)
        outputs = aligned(group_out * plane + COLUMNS, dy)
        _gather(dy, image, images, group * group_out, group_out, outputs)
        places, outs = np.arange(count * taps), np.arange(group_out)
        begin = (group * group_out * group_in + first) * area
        rows = begin + places // taps * area + places % taps
        for kh in range(kernel_h):
            _multiply(
                weight, rows + kh * kernel_w, outs * (group_in * area), outputs, outs * plane, spread[:0], places,
                spread[kernel_rows[kh] * row_length :], places * (slots * row_length), plane,
            )  # fmt: skip
        channel = group * group_in + first
        _fold(spread, dx, image, images, channel, count, taps, out_w, stride, padding, dilation[1])


@jit(fastmath=REASSOCIATE)
def _add_sums(rows, length, total):
    """total[o] += the sum of row o of `rows`, flat; short runs in their own precision, which vectorise."""
    for o in range(len(total)):
        for start in range(o * length, (o + 1) * length, TILE):
            run = rows.dtype.type(0)
            for p in range(_unsigned(start), _unsigned(min(start + TILE, (o + 1) * length))):
                run += rows[p]
            total[o] += run


@jit
def _weight_gradient_task(
    dy, x, x_shape, x_strides, image, images, group, offsets, dweight, dbias, taps, stride, padding, dilation
):
    """Add what a block of images contributes to one group's dweight (O, K) and dbias (O, or none)."""
    out_channels, out_h, out_w = dy.shape[1:]
    group_out, depth = dweight.shape
    groups = out_channels // group_out
    group_in = x_shape[1] // groups
    row_length = out_w * images
    plane = out_h * row_length
    slots = -(-(x_shape[2] + 2 * padding[0]) // stride[0]) * stride[0]
    size = group_in * taps * slots * row_length
    spread = aligned(size + plane, x)
    _fill(spread, size, plane, 0)
    _spread(
        x,
        x_shape,
        x_strides,
        image,
        images,
        group * group_in,
        group_in,
        spread,
        taps,
        out_w,
        stride,
        padding,
        dilation[1],
    )
    outputs = aligned(group_out * plane, dy)
    _gather(dy, image, images, group * group_out, group_out, outputs)
    _add_sums(outputs, plane, dbias)
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
            o = np.int64(0)  # of a type: with the literal 0 the products would be compiled twice
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
def weight_gradient(dy, x, x_shape, x_strides, offsets, partial, partial_bias, taps, stride, padding, dilation, block):
    """partial (parts, groups, O, K), zeros: part i receives the sum over its own blocks of images.

    partial_bias (parts, groups, O), zeros in float64, likewise, or (parts, groups, 0).
    """
    batch, parts, groups = x_shape[0], partial.shape[0], partial.shape[1]
    blocks = -(-batch // block)
    for task in prange(parts * groups):
        part, group = task // groups, task % groups
        for b in range(blocks * part // parts, blocks * (part + 1) // parts):
            images = min(block, batch - b * block)
            _weight_gradient_task(
                dy, x, x_shape, x_strides, b * block, images, group, offsets, partial[part, group],
                partial_bias[part, group], taps, stride, padding, dilation,
            )  # fmt: skip
