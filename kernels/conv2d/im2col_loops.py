"""The compiled loops of the convolution by matrix products; `im2col.py` says what they do."""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import jit
from ..cpu.tile import VECTOR_BYTES, aligned, multiply
from ..cpu.transpose import transpose
from .epilogue import finish_rows, initial

RUN = 16  # channels that are transposed together: a cache line of each kernel
PIXELS = 96 if VECTOR_BYTES == 64 else 192  # summed at a time in the weight gradient: half of the first-level cache
FEW_TAPS = 64  # of a window: where dy is used so seldom, it is read where it lies
DEPTH = 1024  # terms summed at a time: with 64 outputs a panel of 256 KiB, which the second-level cache holds

_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which stops vectorising


@jit(parallel=True)
def unpack(partial, outputs, taps, dweight):
    """dweight (O, C, taps) = the sum over parts of partial[part, g, b, (t, c), j]."""
    parts, groups, blocks, depth, width = partial.shape
    channels = depth // taps
    runs = -(-channels // RUN)
    for task in prange(groups * blocks * runs):
        g, b, first = task // (blocks * runs), task // runs % blocks, task % runs * RUN
        inside = min(width, outputs - b * width)
        for c in range(first, min(channels, first + RUN)):
            for t in range(taps):
                line = partial[0, g, b, t * channels + c]
                for part in range(1, parts):
                    other = partial[part, g, b, t * channels + c]
                    for j in range(inside):
                        line[j] += other[j]
        for j in range(inside):
            for c in range(first, min(channels, first + RUN)):
                for t in range(taps):
                    dweight[g * outputs + b * width + j, c, t] = partial[0, g, b, t * channels + c, j]


@jit
def _copy(source, start, target, to, length):
    start, to = _unsigned(start), _unsigned(to)
    for p in range(_unsigned(length)):
        target[to + p] = source[start + p]


@jit
def _load(x, strides, base, height, width, top, left, rows, channels):
    """rows[i, j, c] = pixel (top + i, left + j) of channel c, 0 outside; x is flat, the image begins at base."""
    stride_c, stride_h, stride_w = strides
    count, columns, pitch = rows.shape
    first = min(max(0, -left), columns)
    last = max(first, min(columns, width - left))
    for i in range(count):
        h = top + i
        if h < 0 or h >= height:
            rows[i] = 0
            continue
        rows[i, :first] = 0
        rows[i, last:] = 0
        start = base + h * stride_h + (left + first) * stride_w
        if stride_c == 1 and stride_w == channels == pitch:
            _copy(x, start, rows[i, first:last].reshape((last - first) * channels), 0, (last - first) * channels)
        elif stride_c == 1:
            for w in range(last - first):
                _copy(x, start + w * stride_w, rows[i, first + w], 0, channels)
        else:
            for c in range(channels):
                line, target = x[start + c * stride_c : start + c * stride_c + last - first], rows[i, first:last, c]
                for w in range(last - first):
                    target[w] = line[w]


@jit
def _odd_lines(numbers, size):
    """At least so many, an odd number of cache lines: pixels then lie in all sets of the first-level cache."""
    line = 64 // size
    return numbers if numbers < 2 * line else (-(-numbers // line) | 1) * line


@jit
def _windows(x, x_shape, x_strides, step, taps_h, taps_w, group, channels, images, rows, columns, inside):
    """The input of a task: an array, where in it the window of each output pixel begins, where in a window each tap.

    images, rows: (first, last) of the task's outputs. Where all windows lie inside the image and its channels side by
    side (`inside`), the input is read where it is; otherwise its part is copied and padded with zeros.
    """
    stride_n, stride_c, stride_h, stride_w = x_strides
    top, left = rows[0] * step[0] + taps_h[0], taps_w[0]
    base = images[0] * stride_n + group * channels * stride_c
    if inside:
        pitch_n, pitch_h, pitch_w = stride_n, stride_h, stride_w
        base += top * stride_h + left * stride_w
        source = x
    else:
        height = (rows[1] - rows[0] - 1) * step[0] + taps_h[-1] - taps_h[0] + 1
        width = (columns - 1) * step[1] + taps_w[-1] - taps_w[0] + 1
        pitch_w = _odd_lines(channels, x.itemsize)
        pitch_n, pitch_h = height * width * pitch_w, width * pitch_w
        buffer = np.empty((images[1] - images[0], height, width, pitch_w), x.dtype)
        for n in range(len(buffer)):
            _load(x, x_strides[1:], base + n * stride_n, x_shape[2], x_shape[3], top, left, buffer[n], channels)
        source, base = buffer.reshape(buffer.size), 0
    places = _places(base, (pitch_n, step[0] * pitch_h, step[1] * pitch_w), images, rows, columns)
    taps = np.empty((len(taps_h), len(taps_w)), np.int64)
    for i in range(len(taps_h)):
        for j in range(len(taps_w)):
            taps[i, j] = (taps_h[i] - taps_h[0]) * pitch_h + (taps_w[j] - taps_w[0]) * pitch_w
    return source, places, taps.reshape(taps.size)


@jit
def _places(base, strides, images, rows, columns):
    """Where the pixels of a task lie: base for the first, and so on in the order (image, row, column)."""
    places = np.empty((images[1] - images[0]) * (rows[1] - rows[0]) * columns, np.int64)
    p = 0
    for n in range(images[1] - images[0]):
        for i in range(rows[1] - rows[0]):
            for j in range(columns):
                places[p] = base + n * strides[0] + i * strides[1] + j * strides[2]
                p += 1
    return places


@jit
def _span(task, run, total):
    return task * run, min(total, (task + 1) * run)


@jit
def _pack(weight, start, strides, taps, outputs, channels, panel, width):
    """panel[c * len(taps) + t, j] = weight[start + j strides[0] + c strides[1] + taps[t]], `outputs` j, `channels` c.

    Either the outputs lie side by side, or the taps, all of them and in order. In the panel up to a vector of lines
    beyond are overwritten.
    """
    lanes, (pitch, step), area = VECTOR_BYTES // weight.itemsize, strides, len(taps)
    if pitch == 1:
        for c in range(channels):
            for t in range(area):
                _copy(weight, start + c * step + taps[t], panel, (c * area + t) * width, outputs)
        return
    runs, run = (1, channels * area) if step == area else (channels, area)
    for j in range(0, outputs, lanes):
        for r in range(runs):
            for d in range(0, run, lanes):
                transpose(
                    weight, start + j * pitch + r * step + d, pitch, min(lanes, outputs - j), min(lanes, run - d),
                    panel, (r * run + d) * width + j, width,
                )  # fmt: skip


@jit
def _forward_task(
    source, places, windows, weight, strides, taps, channels, epilogue, base, y, targets, vectors, outputs, blocks
):
    """The given blocks of a group's outputs; `base` is the first's number, from which on weight and y come."""
    lanes, area = VECTOR_BYTES // y.itemsize, max(1, len(taps))
    width, chunk = vectors * lanes, max(1, min(channels, DEPTH // area))
    in_chunk = np.arange(chunk).reshape(chunk, 1)
    depths = (in_chunk + windows[: len(taps)]).ravel()
    lines = np.arange(chunk * len(taps)) * width
    panel, zeros = aligned((chunk * area + lanes) * width, y), np.zeros(len(places), np.int64)
    if outputs % width:
        panel[:] = 0  # columns without an output are multiplied too, and denormal numbers would take long
    initial_sums = initial(epilogue)[base:]
    for block in range(*blocks):
        valid = min(width, outputs - block * width)
        target = y[block * width :]
        for c in range(0, max(channels, 1), chunk):
            count = min(chunk, channels - c)
            _pack(weight, block * width * strides[0] + c * strides[1], strides, taps, valid, count, panel, width)
            if c == 0:
                start, starts = initial_sums[block * width :], zeros
            else:
                start, starts = target, targets
            used = count * len(taps)
            multiply(
                source[c:], places, depths[:used], panel, lines[:used], start, starts, target, targets, vectors, valid
            )  # fmt: skip
        finish_rows(target, targets, valid, epilogue, base + block * width)


@jit(parallel=True)
def forward(
    x,
    x_shape,
    x_strides,
    step,
    taps_h,
    taps_w,
    inside,
    weight,
    strides,
    taps,
    epilogue,
    y,
    y_base,
    y_shape,
    y_strides,
    run,
    splits,
    blocks,
    vectors,
):
    """y[n, i, j, o] = sum over c, t of weight[o, c, taps[t]] x[n, i step + taps_h, j step + taps_w, c], finished.

    All are flat; `strides` are those of the weights' groups, outputs and channels, of `area` taps each. A task takes
    run[0] images, run[1] rows and one of `splits` ranges of a group's blocks of outputs.
    """
    groups = strides[3]
    outputs = y_shape[1] // groups
    channels = x_shape[1] // groups if len(taps) else 0
    bands_n, bands_h = -(-y_shape[0] // run[0]), -(-y_shape[2] // run[1])
    for task in prange(bands_n * bands_h * groups * splits):
        band, group, split = task // (groups * splits), task // splits % groups, task % splits
        images, rows = _span(band // bands_h, run[0], y_shape[0]), _span(band % bands_h, run[1], y_shape[2])
        source, places, windows = _windows(
            x, x_shape, x_strides, step, taps_h, taps_w, group, channels, images, rows, y_shape[3], inside
        )
        base = y_base + images[0] * y_strides[0] + rows[0] * y_strides[1]
        targets = _places(base, y_strides, images, rows, y_shape[3])
        _forward_task(
            source, places, windows, weight[group * strides[0] :], strides[1:3], taps, channels, epilogue,
            group * outputs, y[group * outputs :], targets, vectors, outputs,
            (blocks * split // splits, blocks * (split + 1) // splits),
        )  # fmt: skip


@jit
def _weight_gradient_task(source, places, taps, dy, lines, partial, vectors, outputs, first, last, fresh):
    """Add (write, if `fresh`) the sum over some pixels to blocks `first` to `last` of partial (blocks, K, width)."""
    _, depth, width = partial.shape
    flat, zeros, zero = partial.reshape(partial.size), np.zeros(depth, np.int64), np.zeros(width, partial.dtype)
    targets, side_by_side = np.arange(depth) * width, np.arange(PIXELS) * width
    block_dy = aligned(PIXELS * width, dy)
    for p in range(0, len(places), PIXELS):
        count = min(PIXELS, len(places) - p)
        for block in range(first, last):
            valid = min(width, outputs - block * width)
            if valid == width and depth <= FEW_TAPS:
                b, columns = dy[block * width :], lines[p : p + count]
            else:
                b, columns = block_dy, side_by_side
                for q in range(count):
                    _copy(dy, lines[p + q] + block * width, block_dy, q * width, valid)
                    for j in range(q * width + valid, (q + 1) * width):
                        block_dy[j] = 0
            target = flat[block * depth * width :]
            if fresh and p == 0:
                start, starts = zero, zeros
            else:
                start, starts = target, targets
            multiply(
                source, taps, places[p : p + count], b, columns, start, starts, target, targets, vectors, valid
            )  # fmt: skip


@jit(parallel=True)
def weight_gradient(x, x_shape, x_strides, step, taps_h, taps_w, dy, y_shape, y_strides, run, splits, vectors, partial):
    """partial[part, g, b, (t, c), j] = the sum over a part of the batch of dy[.., o] x[.., (t, c)], o = b width + j."""
    parts, groups, blocks, depth, _ = partial.shape
    channels, outputs = depth // (len(taps_h) * len(taps_w)), y_shape[1] // groups
    bands_n, bands_h = -(-y_shape[0] // run[0]), -(-y_shape[2] // run[1])
    bands = bands_n * bands_h
    for task in prange(parts * groups * splits):
        part, group, split = task // (groups * splits), task // splits % groups, task % splits
        first, last = blocks * split // splits, blocks * (split + 1) // splits
        begin = bands * part // parts
        for band in range(begin, bands * (part + 1) // parts):
            images, rows = _span(band // bands_h, run[0], y_shape[0]), _span(band % bands_h, run[1], y_shape[2])
            source, places, windows = _windows(
                x, x_shape, x_strides, step, taps_h, taps_w, group, channels, images, rows, y_shape[3], False
            )
            taps = (windows.reshape(len(windows), 1) + np.arange(channels)).ravel()
            lines = _places(images[0] * y_strides[0] + rows[0] * y_strides[1], y_strides, images, rows, y_shape[3])
            _weight_gradient_task(
                source, places, taps, dy[group * outputs :], lines, partial[part, group], vectors, outputs,
                first, last, band == begin,
            )  # fmt: skip
