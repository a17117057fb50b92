"""Convolution with few output pixels, which is bound by reading the weights: each is read once, where it lies.

The windows are materialised, one row X[p] for each output pixel p with the numbers under its window in the order in
which the weights of an output lie in memory: (c, kh, kw), or (kh, kw, c) where they are channels-last. Then

    forward           y (pixels, O) = X (pixels, K) weight (O, K)^T + bias

is a matrix of few rows times a large one (`dots.py`). Algorithms that transpose, pack or transform the weights are
slower. A thread writes all of X and computes its share of the outputs.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from ..cpu.dots import add_dots
from ..cpu.jit import jit, team
from ..cpu.relayout import channels_last, row_major
from ..cpu.tile import VECTOR_BYTES, aligned
from ..cpu.transpose import transpose
from .epilogue import finish, initial

NANOSECONDS = 0.2  # a weight takes one thread


def forward(x, weight, epilogue, y, stride, padding, dilation):
    """Write the convolution of x, and what follows it, into y, channels-last in memory."""
    nhwc = weight.transpose(0, 2, 3, 1)
    weight_last = nhwc.flags.carray
    flat = (nhwc if weight_last else row_major(weight)).reshape(weight.size)
    kernel = team(_forward, NANOSECONDS * weight.size)
    tasks = get_num_threads() if kernel is _forward else 1
    kernel(
        channels_last(x).transpose(0, 2, 3, 1), flat, weight_last, weight.shape[2:], epilogue, y.transpose(0, 2, 3, 1),
        stride, padding, dilation, tasks,
    )  # fmt: skip


@jit
def _window(x, image, top, left, kernel, dilation, window):
    """window[(kh, kw), c] = x[image, top + kh dilation, left + kw dilation, c], 0 outside."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            h, w, tap = top + i * dilation[0], left + j * dilation[1], i * kernel[1] + j
            if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                window[tap] = x[image, h, w]
            else:
                window[tap] = 0


@jit
def _transpose_window(window, rows, start):
    """rows[start + c * taps + t] = window[t, c]; the square that is transposed last reaches a vector beyond the end."""
    taps, channels = window.shape
    lanes, flat = VECTOR_BYTES // window.itemsize, window.reshape(window.size)
    for c in range(0, channels, lanes):
        for t in range((taps - 1) // lanes * lanes, -1, -lanes):  # backwards, as each square reaches into the next tap
            transpose(
                flat, t * channels + c, channels, min(lanes, taps - t), min(lanes, channels - c),
                rows, start + c * taps + t, taps,
            )  # fmt: skip


@jit(parallel=True)
def _forward(x, weight, weight_last, kernel, epilogue, y, stride, padding, dilation, tasks):
    """y (N, OH, OW, O) from x (N, H, W, C), in `tasks` ranges of outputs."""
    batch, out_h, out_w, outputs = y.shape
    channels, taps = x.shape[3], kernel[0] * kernel[1]
    depth, pixels = channels * taps, batch * out_h * out_w
    flat, start = y.reshape(y.size), initial(epilogue)
    for task in prange(tasks):
        first, last = outputs * task // tasks, outputs * (task + 1) // tasks
        rows = aligned(pixels * depth + (taps + 1) * VECTOR_BYTES // x.itemsize, x)
        window = np.empty((taps, channels), x.dtype)
        for p in range(pixels):
            image, i, j = p // (out_h * out_w), p // out_w % out_h, p % out_w
            top, left = i * stride[0] - padding[0], j * stride[1] - padding[1]
            if weight_last:
                window = rows[p * depth : (p + 1) * depth].reshape(taps, channels)
            _window(x, image, top, left, kernel, dilation, window)
            if not weight_last:
                _transpose_window(window, rows, p * depth)
            for o in range(first, last):
                flat[p * outputs + o] = start[o]
        add_dots(weight, first * depth, last - first, rows, pixels, depth, flat, first, outputs)
        for p in range(pixels):
            finish(flat, p * outputs + first, last - first, epilogue, first)
