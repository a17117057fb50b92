"""Dropout on the GPU: mask and product in one pass, by the same Philox words as on the CPU."""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import THREADS, real
from ..geometry import is_channels_last
from ..philox.cuda import stream
from ..types import Array, Scalar

FILE = "dropout/dropout.cu"
MOST_IMAGES = 65535  # blocks along the grid's second axis, CUDA's limit; the kernel loops over the rest


def forward(x: Array, p: float, seed: Scalar, offset: int) -> Array:
    """Zero each element with probability p and scale the others by 1 / (1 - p); see reference.py.

    seed: as `philox.cuda.stream` takes it. A channels-last x gives a channels-last y; the mask goes by the shape.
    """
    xp = array_module(x)
    defines = (real("dropout", x),)
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    # Kept where the word's upper 24 bits are at least p * 2**24: for integers, at least its ceiling.
    draw = (np.uint32(math.ceil(p * 2**24)), scale, *stream(seed, offset))
    if x.ndim == 4 and is_channels_last(x):
        x = x.transpose(0, 2, 3, 1)
        images, height, width, channels = x.shape
        y = xp.empty(x.shape, x.dtype)
        if x.size:
            threads = -(-height * width // 4) * channels
            grid = -(-threads // THREADS), min(images, MOST_IMAGES)
            sizes = np.int32(images), np.int32(channels), np.int32(height * width)
            launch(FILE, "dropout_forward_pixels", grid, (THREADS,), (x, y, *sizes, *draw), defines=defines)
        return y.transpose(0, 3, 1, 2)
    y = xp.empty(x.shape, x.dtype)
    if x.size:
        x = xp.ascontiguousarray(x)  # which makes of a 0-d array one of 1-d
        blocks = -(-x.size // (4 * THREADS))
        launch(FILE, "dropout_forward", (blocks,), (THREADS,), (x, y, np.int64(x.size), *draw), defines=defines)
    return y
