"""Direct convolution: the sums of the definition, vectorised over output pixels and images.

A task takes a block of images and copies it into a form in which one kernel tap is one offset. With
`u = oh * stride + kh * dilation` the row of the padded image that output row oh reads through kernel row kh:

    spread[c, kw, u, ow, n] = x[n, c, u - padding, ow * stride + kw * dilation - padding]

and 0 outside the image.

This is im2col along the width only: kernel rows need no copies, for they are a shift by whole rows. (With a
stride the rows are filed by `u % stride`, so that the next output row is always the next row in memory.) Now
for all pixels of the block, p = (oh, ow, n), which lie side by side in memory,

    forward           y[o, p]               += weight[o, c, kh, kw] * spread[c, kw, kh + p]
    input gradient    spread[c, kw, kh + p] += weight[o, c, kh, kw] * dy[o, p]
    weight gradient   dweight[o, c, kh, kw] += sum over p of dy[o, p] * spread[c, kw, kh + p]

The first two are tile products (`tile.py`) whose vectors run over p; the weights are read once, as they lie. The
last holds 4 x 4 sums in registers through a long loop over p.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import get_num_threads

from ..cpu.jit import team
from ..cpu.relayout import flat_and_strides, row_major
from . import direct_loops

NANOSECONDS = 0.05  # a multiplication takes one thread
BLOCK = 16  # images to a block: they fill a vector register whatever the width


@lru_cache(maxsize=256)
def _tap_offsets(group_in: int, kernel: tuple, height: int, stride: int, padding: int, dilation: int):
    """Where each tap (c, kh, kw) begins in `spread`, in rows, and where each kh does in a plane of it."""
    kernel_h, kernel_w = kernel
    slots = -(-(height + 2 * padding) // stride)
    u = np.arange(kernel_h) * dilation
    rows = u % stride * slots + u // stride
    planes = np.arange(group_in * kernel_w).reshape(group_in, 1, kernel_w) * (slots * stride)
    return (planes + rows[:, None]).ravel(), rows


def _block(batch: int) -> int:
    """Images to a block: two blocks at least, so that two threads have work."""
    return max(1, min(BLOCK, -(-batch // 2)))


def _splits(tasks: int, channels: int) -> int:
    """Into how many ranges of channels a task is cut, where there are fewer tasks than threads."""
    return max(1, min(channels, -(-get_num_threads() // max(tasks, 1))))


def forward(x, weight, epilogue, y, stride, padding, dilation, groups):
    """Write the convolution of x, and what follows it, into y."""
    out_channels, group_in, kernel_h, kernel_w = weight.shape
    offsets, _ = _tap_offsets(group_in, (kernel_h, kernel_w), x.shape[2], stride[0], padding[0], dilation[0])
    block = _block(len(x))
    kernel = team(direct_loops.forward, NANOSECONDS * y.size * len(offsets))
    splits = _splits(-(-len(x) // block) * groups, out_channels // groups) if kernel is direct_loops.forward else 1
    strides, size = y.strides, y.itemsize
    target = y if y.flags.c_contiguous else y.transpose(0, 2, 3, 1)
    kernel(
        *flat_and_strides(x), row_major(weight).reshape(weight.size), groups, epilogue, offsets, target.reshape(y.size),
        y.shape, (strides[0] // size, strides[1] // size, strides[3] // size), kernel_w, stride, padding, dilation,
        block, splits,
    )  # fmt: skip


def input_gradient(dy, weight, dx, stride, padding, dilation, groups):
    """Write the gradient of x into dx."""
    out_channels, group_in, kernel_h, kernel_w = weight.shape
    _, rows = _tap_offsets(group_in, (kernel_h, kernel_w), dx.shape[2], stride[0], padding[0], dilation[0])
    target = dx if dx.flags.c_contiguous else np.empty(dx.shape, dx.dtype)
    block = _block(len(dy))
    splits = _splits(-(-len(dy) // block) * groups, group_in)
    shape = groups, out_channels // groups, group_in, kernel_h, kernel_w
    direct_loops.input_gradient(
        row_major(dy), row_major(weight).reshape(weight.size), shape, rows, target, kernel_w, stride, padding, dilation,
        block, splits,
    )  # fmt: skip
    if target is not dx:
        dx[...] = target


def weight_gradient(dy, x, dweight, stride, padding, dilation, groups, dbias=None):
    """Write the gradient of the weight into dweight (C-contiguous), and that of the bias into `dbias` if given."""
    out_channels, group_in, kernel_h, kernel_w = dweight.shape
    offsets, _ = _tap_offsets(group_in, (kernel_h, kernel_w), x.shape[2], stride[0], padding[0], dilation[0])
    filled = np.append(offsets, np.full(-len(offsets) % 4, offsets[0]))
    block = _block(len(x))
    # The sums over the batch are cut into parts that depend on the shapes alone, so every run adds in the
    # same order.
    parts = min(16, -(-len(x) // block), max(2, 2**22 // max(dweight.size, 1)))
    partial = np.zeros((parts, groups, out_channels // groups, len(filled)), x.dtype)
    partial_bias = np.zeros((parts, groups, 0 if dbias is None else out_channels // groups))
    geometry = kernel_w, stride, padding, dilation, block
    direct_loops.weight_gradient(row_major(dy), *flat_and_strides(x), filled, partial, partial_bias, *geometry)
    if dbias is not None:
        dbias[...] = partial_bias.sum(axis=0).ravel()
    dweight[...] = partial.sum(axis=0)[..., : len(offsets)].reshape(dweight.shape)
