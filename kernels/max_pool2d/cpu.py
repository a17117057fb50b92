"""Max-pooling with Numba: by planes for NCHW memory, by pixels for channels-last; 2x2 with stride 2 is a case apart."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import prange

from ..cpu.jit import jit, team
from ..cpu.relayout import channels_last
from ..geometry import is_channels_last, output_size
from ..types import Array, Pair, Shape
from .reference import flat_index

__all__ = ["backward", "flat_index", "forward"]

# What a tap of a window takes one thread, in nanoseconds; and a pixel, to begin with its channels.
PLANES, PIXELS, PIXEL = 0.5, 0.2, 10
CHANNELS_LAST = 16


def forward(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Array, Array]:
    """Slide a window over x (N, C, H, W) and keep its largest element: y and index (N, C, OH, OW).

    See reference.py. Channels-last memory stays channels-last.
    """
    n, c, height, width = x.shape
    out_h, out_w, index_type = _windows(height, width, kernel_size, stride, padding, dilation, ceil_mode)
    taps = kernel_size[0] * kernel_size[1]
    halves = _halves(x.shape, (n, c, out_h, out_w), kernel_size, stride, padding, dilation)
    if is_channels_last(x) or (c >= CHANNELS_LAST and not halves):  # a tap of all channels is a vector loop
        x = channels_last(x)
        y = np.empty((n, out_h, out_w, c), x.dtype)
        index = np.empty(y.shape, index_type)
        kernel = team(_forward_pixels, (PIXELS + PIXEL / c) * taps * y.size)
        kernel(x.transpose(0, 2, 3, 1), y, index, *kernel_size, *stride, *padding, *dilation)
        return y.transpose(0, 3, 1, 2), index.transpose(0, 3, 1, 2)
    x = np.ascontiguousarray(x)
    y = np.empty((n, c, out_h, out_w), x.dtype)
    index = np.empty(y.shape, index_type)
    planes = (n * c, out_h, out_w)
    nanoseconds = PLANES * taps * y.size
    if halves:
        team(_forward_halving, nanoseconds)(x.reshape(-1), y.reshape(-1, out_w), index.reshape(-1, out_w))
    else:
        kernel, windows = team(_forward_planes, nanoseconds), (*kernel_size, *stride, *padding, *dilation)
        kernel(x.reshape(n * c, height, width), y.reshape(planes), index.reshape(planes), *windows)
    return y, index


def backward(
    dy: Array,
    index: Array,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    *,
    gate: Array | None = None,
) -> Array:
    """Send each dy (N, C, OH, OW) to the element that won its window; windows that overlap add up.

    See reference.py. The result lies in memory as index does.
    """
    n, c, height, width = input_shape
    taps = kernel_size[0] * kernel_size[1]
    gated = gate is not None
    if is_channels_last(index):
        dx = np.empty((n, height, width, c), dy.dtype)
        gate = dx if gate is None else channels_last(gate).transpose(0, 2, 3, 1)
        dy = channels_last(dy).transpose(0, 2, 3, 1)
        index = index.transpose(0, 2, 3, 1)
        kernel = team(_backward_pixels, (PIXELS + PIXEL / c) * taps * dy.size)
        kernel(dy, index, gated, gate, dx, *kernel_size, *stride, *padding, *dilation)
        return dx.transpose(0, 3, 1, 2)
    dy, index = np.ascontiguousarray(dy), np.ascontiguousarray(index)
    dx = np.empty(input_shape, dy.dtype)
    gate = dx if gate is None else np.ascontiguousarray(gate)
    if dy.dtype == np.float32 and _halves(input_shape, dy.shape, kernel_size, stride, padding, dilation):
        out_w = dy.shape[3]
        pairs = dx.reshape(-1).view(np.uint64).reshape(-1, 2, out_w)
        kernel = team(_backward_halving, PLANES * dx.size)
        rows = dy.view(np.uint32).reshape(-1, out_w), index.reshape(-1, out_w)
        kernel(*rows, gated, gate.reshape(-1, 2, 2 * out_w), pairs)
    else:
        numbers = np.arange(taps)
        rows = numbers // kernel_size[1] * dilation[0] - padding[0]
        columns = numbers % kernel_size[1] * dilation[1] - padding[1]
        planes = (n * c, *dy.shape[2:])
        image = n * c, height, width
        kernel = team(_backward_planes, PLANES * dx.size)
        windows = dy.reshape(planes), index.reshape(planes)
        kernel(*windows, gated, gate.reshape(image), dx.reshape(image), rows, columns, *stride)
    return dx


@lru_cache(maxsize=256)  # a network asks the same again and again
def _windows(height, width, kernel_size, stride, padding, dilation, ceil_mode) -> tuple[int, int, np.dtype]:
    """How many windows there are down and across, and the smallest type that numbers the taps of one."""
    axes = zip((height, width), kernel_size, stride, padding, dilation, strict=True)
    down, across = [output_size(*axis, ceil_mode) for axis in axes]
    return down, across, np.min_scalar_type(kernel_size[0] * kernel_size[1] - 1)


def _halves(input_shape, output_shape, kernel_size, stride, padding, dilation) -> bool:
    """Whether 2x2 windows tile the input exactly."""
    return (
        kernel_size == stride == (2, 2)
        and padding == (0, 0)
        and dilation == (1, 1)
        and input_shape[2] == 2 * output_shape[2]
        and input_shape[3] == 2 * output_shape[3]
    )


@jit(parallel=True)
def _forward_halving(x, y, index):
    """2x2 windows that tile the input: x flat, y and index (N C OH, OW).

    A LeNet row has 14 or 5 windows, too few for a vector loop. Here one long loop runs over a band of rows as
    if the window began at every second element, in odd rows too, and only the even rows' results are copied
    out: twice the comparisons, and several times as fast.
    """
    rows, width = y.shape
    band = max(1, 1024 // max(1, width))
    for task in prange((rows + band - 1) // band):
        first = task * band
        count = min(band, rows - first)
        upper = x[4 * width * first : 4 * width * (first + count)]
        lower = upper[2 * width :]
        windows = (2 * count - 1) * width
        best = np.empty(windows, x.dtype)
        where = np.empty(windows, np.uint8)
        for q in range(windows):
            a = upper[2 * q]
            b = upper[2 * q + 1]
            c = lower[2 * q]
            d = lower[2 * q + 1]
            take = (b > a) | (b != b)
            top = b if take else a
            place = np.uint8(take)
            take = (c > top) | (c != c)
            top = c if take else top
            place = np.uint8(2) if take else place
            take = (d > top) | (d != d)
            best[q] = d if take else top
            where[q] = np.uint8(3) if take else place
        for row in range(count):
            for j in range(width):
                y[first + row, j] = best[2 * row * width + j]
                index[first + row, j] = where[2 * row * width + j]


@jit(parallel=True)
def _backward_halving(dy, index, gated, gate, dx):
    """2x2 windows that tile the input: dy (N C OH, OW), float32 seen as uint32; dx (N C OH, 2, OW), in pairs.

    Each window owns a pair of elements in the upper row and one in the lower; a pair is written as one word.
    """
    rows, width = dy.shape
    for row in prange(rows):
        for j in range(width):
            place = np.uint64(index[row, j])
            gradient = dy[row, j]
            if gated:
                gradient = np.uint32(0) if gate[row, place >> 1, 2 * np.uint64(j) + (place & 1)] <= 0 else gradient
            pair = np.uint64(gradient) << (np.uint64(32) * (place & np.uint64(1)))
            dx[row, 0, j] = pair if place < 2 else np.uint64(0)
            dx[row, 1, j] = np.uint64(0) if place < 2 else pair


@jit
def _compare_row(source, stride, best, where, place):
    """Let each source[j * stride] compete in window j.

    One comparison for each choice compiles to machine code without branches, which would be mispredicted
    half of the time. It never lets a NaN in (nor out again), so these are counted and, if any, put in after.
    """
    nans = 0
    for j in range(len(best)):
        candidate = source[j * stride]
        champion = best[j]
        home = where[j]
        where[j] = place if candidate > champion else home
        best[j] = candidate if candidate > champion else champion
        nans += candidate != candidate
    if nans > 0:
        for j in range(len(best)):
            if source[j * stride] != source[j * stride]:
                best[j] = source[j * stride]
                where[j] = place


@jit(parallel=True)
def _forward_planes(x, y, index, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w):
    """x (N C, H, W), y and index (N C, OH, OW): a row of windows at a time, tap by tap."""
    planes, height, width = x.shape
    out_h, out_w = y.shape[1:]
    # Where all is -inf, the first element that exists is the one chosen.
    first_column = np.zeros(out_w, np.int64)
    for j in range(out_w):
        left = j * stride_w - pad_w
        first_column[j] = (max(0, -left) + dilation_w - 1) // dilation_w
        if first_column[j] * dilation_w + left >= width:
            first_column[j] = 0
    for task in prange(planes * out_h):
        plane = task // out_h
        row = task % out_h
        best = y[plane, row]
        where = index[plane, row]
        top = row * stride_h - pad_h
        first_i = (max(0, -top) + dilation_h - 1) // dilation_h
        for j in range(out_w):
            best[j] = -np.inf
            where[j] = min(first_i, kernel_h - 1) * kernel_w + first_column[j]
        for i in range(first_i, kernel_h):
            if top + i * dilation_h >= height:
                break
            source = x[plane, top + i * dilation_h]
            for k in range(kernel_w):
                shift = k * dilation_w - pad_w
                first = max(0, -(shift // stride_w))
                last = min(out_w, (width - 1 - shift) // stride_w + 1)
                place = index.dtype.type(i * kernel_w + k)
                if first >= last:
                    continue
                candidates = source[shift + first * stride_w :]
                # The compiler makes vector loads of a constant stride.
                if stride_w == 1:
                    _compare_row(candidates, 1, best[first:last], where[first:last], place)
                elif stride_w == 2:
                    _compare_row(candidates, 2, best[first:last], where[first:last], place)
                else:
                    _compare_row(candidates, stride_w, best[first:last], where[first:last], place)


@jit(parallel=True)
def _backward_planes(dy, index, gated, gate, dx, rows, columns, stride_h, stride_w):
    """dy and index (N C, OH, OW), gate and dx (N C, H, W); rows and columns say where each tap lies in the window."""
    planes, height, width = dx.shape
    out_h, out_w = dy.shape[1:]
    for plane in prange(planes):
        dx[plane] = 0
        for i in range(out_h):
            for j in range(out_w):
                place = index[plane, i, j]
                row = i * stride_h + rows[place]
                column = j * stride_w + columns[place]
                if 0 <= row < height and 0 <= column < width and not (gated and gate[plane, row, column] <= 0):
                    dx[plane, row, column] += dy[plane, i, j]


# The loops over a pixel's channels take whole images, flat, and places in them. Views of the pixels would be counted
# by Numba, one by one and by both threads; a signed place might count from the end, and the loop not become a
# vector loop.
_place = np.uint64


@jit
def _compete_one(x, at, best, where, target, channels, tap):
    """Let the pixel of x `at` compete with the best so far, channel by channel; `where` says which tap that was."""
    for c in range(channels):
        champion, home = best[target + c], where[target + c]
        rival = x[at + c]
        takes = (rival > champion) | (rival != rival)
        best[target + c] = rival if takes else champion
        where[target + c] = tap if takes else home


@jit
def _compete_two(x, at, step, best, where, target, channels, tap1, tap2):
    """The same for two pixels, `step` apart, in one pass."""
    for c in range(channels):
        champion, home = best[target + c], where[target + c]
        rival = x[at + c]
        takes = (rival > champion) | (rival != rival)
        champion, home = rival if takes else champion, tap1 if takes else home
        rival = x[at + step + c]
        takes = (rival > champion) | (rival != rival)
        best[target + c] = rival if takes else champion
        where[target + c] = tap2 if takes else home


@jit
def _compete_three(x, at, step, best, where, target, channels, tap1, tap2, tap3):
    for c in range(channels):
        champion, home = best[target + c], where[target + c]
        rival = x[at + c]
        takes = (rival > champion) | (rival != rival)
        champion, home = rival if takes else champion, tap1 if takes else home
        rival = x[at + step + c]
        takes = (rival > champion) | (rival != rival)
        champion, home = rival if takes else champion, tap2 if takes else home
        rival = x[at + step + step + c]
        takes = (rival > champion) | (rival != rival)
        best[target + c] = rival if takes else champion
        where[target + c] = tap3 if takes else home


@jit
def _taps_inside(start, size, kernel, dilation):
    """Of the taps of a window that begins at `start`: the first that sees the image, and the one after the last."""
    return (max(0, -start) + dilation - 1) // dilation, min(kernel, (size - 1 - start) // dilation + 1)


@jit(parallel=True)
def _forward_pixels(x, y, index, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w):
    """x (N, H, W, C), y and index (N, OH, OW, C): all channels of a window together, up to three taps a pass."""
    n, height, width, channels = x.shape
    out_h, out_w = y.shape[1:3]
    source, best, where = x.reshape(-1), y.reshape(-1), index.reshape(-1)
    tap = index.dtype.type
    count, step = _place(channels), _place(dilation_w * channels)
    for task in prange(n * out_h):
        image, row = task // out_h, task % out_h
        top = row * stride_h - pad_h
        first_i, last_i = _taps_inside(top, height, kernel_h, dilation_h)
        for column in range(out_w):
            left = column * stride_w - pad_w
            first_j, last_j = _taps_inside(left, width, kernel_w, dilation_w)
            target = _place((task * out_w + column) * channels)
            # Where all is -inf, the first element that exists is the one chosen.
            first = tap(min(first_i, kernel_h - 1) * kernel_w + min(first_j, kernel_w - 1))
            for c in range(count):
                best[target + c] = -np.inf
                where[target + c] = first
            for i in range(first_i, last_i):
                line = (image * height + top + i * dilation_h) * width + left
                for j in range(first_j, last_j, 3):
                    at = _place((line + j * dilation_w) * channels)
                    k = i * kernel_w + j
                    if last_j - j >= 3:
                        _compete_three(source, at, step, best, where, target, count, tap(k), tap(k + 1), tap(k + 2))
                    elif last_j - j == 2:
                        _compete_two(source, at, step, best, where, target, count, tap(k), tap(k + 1))
                    else:
                        _compete_one(source, at, best, where, target, count, tap(k))


@jit
def _windows_around(element, windows, kernel, stride, padding, dilation, found, taps):
    """How many windows see an element of an axis; which, in `found`, and with which tap, in `taps`."""
    count = 0
    for tap in range(kernel - 1, -1, -1):
        start = element + padding - tap * dilation
        if start >= 0 and start % stride == 0 and start // stride < windows:
            found[count] = start // stride
            taps[count] = tap
            count += 1
    return count


@jit
def _put(dy, index, at, tap, dx, target, channels):
    """To the pixel of dx at `target`: dy of the window `at`, where `tap` won it."""
    for c in range(channels):
        dx[target + c] = dy[at + c] if index[at + c] == tap else dy.dtype.type(0)


@jit
def _add(dy, index, at, tap, dx, target, channels):
    for c in range(channels):
        dx[target + c] += dy[at + c] if index[at + c] == tap else dy.dtype.type(0)


@jit
def _shut(gate, dx, target, channels):
    for c in range(channels):
        dx[target + c] = dx.dtype.type(0) if gate[target + c] <= 0 else dx[target + c]


@jit(parallel=True)
def _backward_pixels(
    dy, index, gated, gate, dx, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
):
    """dy and index (N, OH, OW, C), gate and dx (N, H, W, C): every pixel collects from the windows that see it.

    So each is written once, by one thread, whether windows overlap or leave gaps.
    """
    n, height, width, channels = dx.shape
    out_h, out_w = dy.shape[1:3]
    grads, winners, before, result = dy.reshape(-1), index.reshape(-1), gate.reshape(-1), dx.reshape(-1)
    tap = index.dtype.type
    size = _place(channels)
    columns = np.empty((width, kernel_w), np.int64)
    column_taps = np.empty((width, kernel_w), np.int64)
    counts = np.empty(width, np.int64)
    for w in range(width):
        counts[w] = _windows_around(w, out_w, kernel_w, stride_w, pad_w, dilation_w, columns[w], column_taps[w])
    for task in prange(n * height):
        image, h = task // height, task % height
        rows = np.empty(kernel_h, np.int64)
        row_taps = np.empty(kernel_h, np.int64)
        count = _windows_around(h, out_h, kernel_h, stride_h, pad_h, dilation_h, rows, row_taps)
        for w in range(width):
            pixel = _place((task * width + w) * channels)
            if count * counts[w] == 0:
                for c in range(size):
                    result[pixel + c] = 0
            for i in range(count):
                line = (image * out_h + rows[i]) * out_w
                first = row_taps[i] * kernel_w
                for j in range(counts[w]):
                    at = _place((line + columns[w, j]) * channels)
                    won = tap(first + column_taps[w, j])
                    if i + j == 0:
                        _put(grads, winners, at, won, result, pixel, size)
                    else:
                        _add(grads, winners, at, won, result, pixel, size)
            if gated:
                _shut(before, result, pixel, size)
