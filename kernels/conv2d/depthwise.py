"""Depthwise convolution (a kernel for each channel, groups == channels), vectorised over the channels; channels last.

    y[n, oh, ow, c] = bias[c] + sum over kh, kw of w[kh, kw, c] x[n, oh stride + kh dilation - padding, ow ..., c]

There are only K multiplications for each output, so the caches are the limit, not the arithmetic: a task takes rows of
outputs, keeps a row's sums in the first-level cache and goes through the taps; what it reads of x is read again for
the next row, from the second-level cache. With a stride of 1 neighbouring pixels lie side by side for x and y alike:
a run of them is one loop, for which the weights of a tap are repeated. The input gradient gathers in the same way,
each tap from the pixels of dy that used it. The weight gradient keeps one sum for each tap, pixel of a run and
channel, and adds up parts of the batch that depend on the shapes alone.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import jit
from .epilogue import finish, initial

RUN = 512  # numbers to a loop, about: it takes 64 cycles, several times what starting it takes
PARTS = 16  # of the batch, whose weight gradients are summed apart
_unsigned = np.uintp  # unsigned indices spare the compiler the test for negative ones, which stops vectorising


@jit
def _span(taps, tap, stride, padding, dilation, size, count):
    """First and last + 1 of the outputs whose tap lies inside the image, along one axis."""
    shift = tap * dilation - padding
    first = max(0, -(shift // stride))
    last = min(count, (size - 1 - shift) // stride + 1)
    return first, max(first, last)


@jit(fastmath={"contract"})
def _multiply_add(y, to, x, start, w, tap, count):
    """y += w x for `count` channels."""
    to, start, tap = _unsigned(to), _unsigned(start), _unsigned(tap)
    for c in range(_unsigned(count)):
        y[to + c] += w[tap + c] * x[start + c]


@jit(parallel=True)
def _forward(x, x_shape, weight, epilogue, y, y_shape, kernel, stride, padding, dilation, run):
    _, channels, height, width = x_shape
    batch, _, out_h, out_w = y_shape
    start_sums = initial(epilogue)
    for task in prange(batch * out_h):
        n, oh = task // out_h, task % out_h
        for ow in range(out_w):
            to = (task * out_w + ow) * channels
            for c in range(channels):
                y[to + c] = start_sums[c]
        for kh in range(kernel[0]):
            h = oh * stride[0] + kh * dilation[0] - padding[0]
            if h < 0 or h >= height:
                continue
            for kw in range(kernel[1]):
                begin, end = _span(kernel[1], kw, stride[1], padding[1], dilation[1], width, out_w)
                shift = kw * dilation[1] - padding[1]
                tap = (kh * kernel[1] + kw) * run * channels
                for ow in range(begin, end, run):
                    count = min(run, end - ow) * channels
                    start = ((n * height + h) * width + ow * stride[1] + shift) * channels
                    _multiply_add(y, (task * out_w + ow) * channels, x, start, weight, tap, count)
        for ow in range(out_w):
            finish(y, (task * out_w + ow) * channels, channels, epilogue, 0)


@jit(parallel=True)
def _input_gradient(dy, y_shape, weight, dx, x_shape, kernel, stride, padding, dilation, run):
    _, channels, height, width = x_shape
    batch, _, out_h, out_w = y_shape
    for task in prange(batch * height):
        n, h = task // height, task % height
        for w in range(width):
            to = (task * width + w) * channels
            for c in range(channels):
                dx[to + c] = 0
        for kh in range(kernel[0]):
            reach = h + padding[0] - kh * dilation[0]
            oh = reach // stride[0]
            if reach % stride[0] or oh < 0 or oh >= out_h:
                continue
            for kw in range(kernel[1]):
                begin, end = _span(kernel[1], kw, stride[1], padding[1], dilation[1], width, out_w)
                shift = kw * dilation[1] - padding[1]
                tap = (kh * kernel[1] + kw) * run * channels
                for ow in range(begin, end, run):
                    count = min(run, end - ow) * channels
                    start = ((n * out_h + oh) * out_w + ow) * channels
                    to = (task * width + ow * stride[1] + shift) * channels
                    _multiply_add(dx, to, dy, start, weight, tap, count)


@jit(parallel=True)
def _weight_gradient(dy, y_shape, x, x_shape, partial, kernel, stride, padding, dilation, run):
    """partial (parts, KH, KW, run, C), zeros: each part receives the sum over its rows of outputs."""
    _, channels, height, width = x_shape
    batch, _, out_h, out_w = y_shape
    parts, rows = len(partial), batch * out_h
    for part in prange(parts):
        sums = partial[part].reshape(kernel[0] * kernel[1] * run * channels)
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            n, oh = row // out_h, row % out_h
            for kh in range(kernel[0]):
                h = oh * stride[0] + kh * dilation[0] - padding[0]
                if h < 0 or h >= height:
                    continue
                for kw in range(kernel[1]):
                    begin, end = _span(kernel[1], kw, stride[1], padding[1], dilation[1], width, out_w)
                    shift = kw * dilation[1] - padding[1]
                    tap = (kh * kernel[1] + kw) * run * channels
                    for ow in range(begin, end, run):
                        count = min(run, end - ow) * channels
                        start = ((n * height + h) * width + ow * stride[1] + shift) * channels
                        _multiply_add(sums, tap, x, start, dy, (row * out_w + ow) * channels, count)


def _flat(array):
    """The array as one axis in the order (N, H, W, C), writable."""
    nhwc = array.transpose(0, 2, 3, 1)
    return np.require(nhwc, requirements=["C", "A", "W"]).reshape(array.size)


def _into(array):
    """Memory in the order (N, H, W, C) to be written, `array`'s own if it lies so."""
    nhwc = array.transpose(0, 2, 3, 1)
    return nhwc if nhwc.flags.c_contiguous else np.empty(nhwc.shape, array.dtype)


def _give(memory, array):
    if not np.shares_memory(memory, array):
        array[...] = memory.transpose(0, 3, 1, 2)


def _run(channels, stride):
    """Pixels to a loop."""
    return max(1, RUN // channels) if stride[1] == 1 else 1


def _taps(weight, run):
    """(C, 1, KH, KW) as (KH, KW, run, C), the same for all of a run."""
    taps = weight[:, 0].transpose(1, 2, 0)[:, :, None]
    return np.repeat(taps, run, axis=2).reshape(weight.size * run)


def forward(x, weight, epilogue, y, stride, padding, dilation):
    """Write the convolution of x with weight (C, 1, KH, KW), and what follows it, into y."""
    memory, run = _into(y), _run(len(weight), stride)
    target = memory.reshape(y.size)
    _forward(
        _flat(x), x.shape, _taps(weight, run), epilogue, target, y.shape, weight.shape[2:], stride, padding, dilation,
        run,
    )  # fmt: skip
    _give(memory, y)


def input_gradient(dy, weight, dx, stride, padding, dilation):
    """Write the gradient of x into dx."""
    memory, run = _into(dx), _run(len(weight), stride)
    target = memory.reshape(dx.size)
    _input_gradient(
        _flat(dy), dy.shape, _taps(weight, run), target, dx.shape, weight.shape[2:], stride, padding, dilation, run
    )  # fmt: skip
    _give(memory, dx)


def weight_gradient(dy, x, dweight, stride, padding, dilation):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    kernel, run = dweight.shape[2:], _run(len(dweight), stride)
    partial = np.zeros((min(PARTS, max(1, len(dy))), *kernel, run, len(dweight)), dy.dtype)
    _weight_gradient(_flat(dy), dy.shape, _flat(x), x.shape, partial, kernel, stride, padding, dilation, run)
    dweight[:, 0] = partial.sum(axis=(0, 3)).transpose(2, 0, 1)
