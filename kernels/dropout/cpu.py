"""Dropout with Numba: Philox words drawn by all threads, then one pass over x."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from ..cpu.jit import jit
from ..philox.cpu import random_bits
from ..types import Array, Scalar


def forward(x: Array, p: float, seed: Scalar, offset: int) -> Array:
    """Zero each element with probability p and scale the others by 1 / (1 - p), by the Philox words of
    (seed, offset) in C order of x's shape. See reference.py; the mask is the same bit for bit."""
    words = random_bits(x.size, seed, offset)
    y = np.empty(x.shape, x.dtype)
    scale = 1 / (1 - p) if p < 1 else 0.0
    # Kept where the word's upper 24 bits are at least p * 2**24: for integers, at least its ceiling.
    _multiply(x.reshape(-1), words, math.ceil(p * 2**24), x.dtype.type(scale), y.reshape(-1))
    return y


@jit(parallel=True)
def _multiply(x, words, threshold, scale, y):
    for i in prange(len(x)):
        y[i] = x[i] * (scale if (words[i] >> 8) >= threshold else np.float32(0))
