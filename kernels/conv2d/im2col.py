"""Convolution as matrix products: im2col without materialised columns, on channels-last memory.

Let a row be an output pixel (n, oh, ow) and k = (c, kh, kw) a number under its window. With the weights (O, K) as a
matrix,

    forward           y (pixels, O)   = X (pixels, K) weight^T + bias
    weight gradient   dweight^T       = X^T dy (pixels, O)
    input gradient    dx              = the same as forward, with dy for x: see below

where X[p, k] = x[place of p's window + place of k in a window] is never materialised: `tile.multiply` reads it from x.
A task takes some rows of some images, copies the input under their windows with its zero padding, so that it stays in
cache (without padding it reads the input itself), and goes through the output channels in blocks as wide as a tile, 64
float32 each. For each block it packs some of the weights, transposed, into a panel, uses them for all its pixels, and
takes the next: packed weights stay in the cache and are never written to memory.

A pixel of dx collects weight[kh, kw] dy[oh, ow] over all oh stride + kh dilation - padding = h. With a stride these are
other taps for each remainder of h and w modulo the stride, but the same for all pixels of one remainder: so dx is
put together from stride * stride convolutions of dy with stride 1, and nothing is multiplied by zeros.

Sums run in an order that depends on the shapes alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import get_num_threads

from ..cpu.relayout import channels_last, flat_and_strides, row_major
from ..cpu.tile import VECTOR_BYTES, WIDEST
from ..cpu.workspace import workspace
from ..matmul.cpu import matmul
from . import im2col_loops as loops
from .epilogue import Epilogue

PIXELS = 400  # to a task: many enough that packing its weights takes a twentieth of the time
FEW_PIXELS = 64  # at least, if there are as many: rather cut the outputs
CACHE = 2**20  # bytes: half of a core's second-level cache, for what a task reads again and again
MANY_CHANNELS = 16  # a cache line of float32 at every pixel
PARTS = 16  # of the weight gradient at least, if there is enough work: so two to four threads share it evenly


@lru_cache(maxsize=256)  # here and below: a network asks the same at every step
def _cuts(y_shape, groups, step, channels, itemsize, tasks):
    """Images and rows of outputs to a task, into how many ranges it cuts the blocks of outputs, the number of these in
    a group, and that of the vectors in each.

    There are `tasks` tasks at least, if there is enough work.
    """
    batch, outputs, height, width = y_shape
    vectors = -(-outputs // groups * itemsize // VECTOR_BYTES)
    blocks = -(-vectors // WIDEST)
    pixels = min(PIXELS, CACHE // (itemsize * max(1, channels) * step[0] * step[1]))
    pixels = min(pixels, max(FEW_PIXELS, batch * height * width * blocks // tasks))
    images = max(1, min(batch, pixels // max(1, height * width)))
    rows = height if images > 1 else max(1, min(height, pixels // max(1, width)))
    images, rows = _even(batch, images), _even(height, rows)
    bands = -(-batch // images) * -(-height // rows)
    return (images, rows), min(blocks, -(-tasks // max(1, bands))), blocks, -(-vectors // blocks)


def _even(total, run):
    """The smallest run that cuts `total` into as many parts as `run` does."""
    return max(1, -(-total // max(1, -(-total // run))))


def _layout(x):
    """The images, channels-last if they have many channels: one copy is cheaper than a transpose in every task."""
    return channels_last(x) if x.shape[1] >= MANY_CHANNELS else x


def _convolve(x, weight, strides, taps_h, taps_w, taps, inside, epilogue, step, y, pixels, base):
    """y[n, o, i, j] = sum of weight x[n, c, i step + taps_h, j step + taps_w], and what follows it, for `pixels`: a
    view of y (channels last) that begins at its element `base`.

    weight (groups, outputs, channels, taps) is flat, `strides` its strides along all but the last, of which `taps` are
    used. `inside`: all windows lie inside the image, so that where its channels lie side by side nothing is copied.
    """
    if not pixels.size:
        return
    x = _layout(x)
    inside = inside and x.transpose(0, 2, 3, 1).flags.c_contiguous
    groups, size = strides[3], y.itemsize
    cuts = _cuts(pixels.shape, groups, step, x.shape[1] // groups, size, 2 * get_num_threads())
    stride_n, _, stride_h, stride_w = pixels.strides
    loops.forward(
        *flat_and_strides(x), step, taps_h, taps_w, inside, weight, strides, taps, epilogue, y.ravel("K"), base,
        pixels.shape, (stride_n // size, stride_h // size, stride_w // size), *cuts,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _taps(kernel, padding, dilation):
    """Where a window's rows and its columns lie from the first pixel's first on, and which taps it has in the weights,
    by kh * width + kw.
    """
    rows, columns = (np.arange(size) * step - pad for size, pad, step in zip(kernel, padding, dilation, strict=True))
    return rows, columns, np.arange(kernel[0] * kernel[1])


@lru_cache(maxsize=256)
def _taps_of_remainder(kernel, padding, dilation, stride, remainder):
    """The same for those dy that reach the pixels `remainder`, `remainder + stride`, ... of dx."""
    places, numbers = [], []
    for axis in range(2):
        reach = remainder[axis] + padding[axis] - np.arange(kernel[axis]) * dilation[axis]
        numbers.append(np.flatnonzero(reach % stride[axis] == 0)[::-1])
        places.append(reach[numbers[axis]] // stride[axis])
    taps = (numbers[0][:, None] * kernel[1] + numbers[1]).ravel()
    rows, columns = places if len(taps) else np.zeros((2, 1), np.int64)
    return rows, columns, taps


def forward(x, weight, epilogue, y, stride, padding, dilation, groups):
    """Write the convolution of x, and what follows it, into y."""
    out_channels, channels, kernel_h, kernel_w = weight.shape
    area = kernel_h * kernel_w
    strides = out_channels // groups * channels * area, channels * area, area, groups
    flat = row_major(weight).reshape(weight.size)
    target = channels_last(y)
    taps = _taps((kernel_h, kernel_w), padding, dilation)
    if area == 1 and padding == (0, 0) and stride != (1, 1):
        x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)  # a copy of what is read
    _convolve(x, flat, strides, *taps, padding == (0, 0), epilogue, stride, target, target, 0)
    if target is not y:
        y[...] = target


def input_gradient(dy, weight, dx, stride, padding, dilation, groups):
    """Write the gradient of x into dx."""
    out_channels, channels, kernel_h, kernel_w = weight.shape
    area = kernel_h * kernel_w
    # The weights of a tap lie side by side, as the panels have them, so that each remainder copies its own.
    flat = channels_last(weight).transpose(0, 2, 3, 1).reshape(weight.size)
    strides = out_channels // groups * channels * area, 1, channels * area, groups
    epilogue = Epilogue.of(dx.shape[1], dx.dtype)
    target = channels_last(dx)
    for first in np.ndindex(*stride):
        taps = _taps_of_remainder((kernel_h, kernel_w), padding, dilation, stride, first)
        pixels = target[:, :, first[0] :: stride[0], first[1] :: stride[1]]
        base = (first[0] * dx.shape[3] + first[1]) * dx.shape[1]
        room = [have - want for have, want in zip(dy.shape[2:], pixels.shape[2:], strict=True)]
        inside = all([seen[0] >= 0 and seen[-1] <= free for seen, free in zip(taps[:2], room, strict=True)])
        _convolve(
            dy, flat, strides, taps[0], taps[1], taps[2] * channels, inside, epilogue, (1, 1), target, pixels, base
        )
    if target is not dx:
        dx[...] = target


def weight_gradient(dy, x, dweight, stride, padding, dilation, groups):
    """Write the gradient of the weight into dweight (C-contiguous)."""
    out_channels, channels, kernel_h, kernel_w = dweight.shape
    taps_h, taps_w, _ = _taps((kernel_h, kernel_w), padding, dilation)
    depth = channels * kernel_h * kernel_w
    if not dy.size:
        dweight[...] = 0
        return
    if kernel_h == kernel_w == groups == 1 and padding == (0, 0):  # a matrix product, which nothing beats BLAS at
        pixels = [
            channels_last(image).transpose(0, 2, 3, 1).reshape(-1, image.shape[1])
            for image in (dy, x[:, :, :: stride[0], :: stride[1]])
        ]
        dweight[...] = matmul(pixels[0].T, pixels[1]).reshape(dweight.shape)
        return
    x = _layout(x)
    run, _, blocks, vectors = _cuts(dy.shape, groups, stride, channels, dy.itemsize, PARTS)
    bands = -(-dy.shape[0] // run[0]) * -(-dy.shape[2] // run[1])
    # Every part has its own sum in memory, and two or four threads share an even number evenly.
    parts = min(bands, max(2, min(PARTS, 4 * CACHE // dweight.nbytes) // 2 * 2))
    splits = min(blocks, -(-PARTS // (parts * groups)))
    (partial,) = workspace(dy.dtype, (parts, groups, blocks, depth, vectors * VECTOR_BYTES // dy.itemsize))
    dy_flat, _, (stride_n, _, stride_h, stride_w) = flat_and_strides(channels_last(dy))
    loops.weight_gradient(
        *flat_and_strides(x), stride, taps_h, taps_w, dy_flat, dy.shape,
        (stride_n, stride_h, stride_w), run, splits, vectors, partial,
    )  # fmt: skip
    loops.unpack(
        partial,
        out_channels // groups,
        kernel_h * kernel_w,
        dweight.reshape(out_channels, channels, kernel_h * kernel_w),
    )
