"""Philox4x32-10 with Numba: the numbers of reference.py, whatever the number of threads."""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import DTypeLike

from ..cpu.jit import jit
from ..types import Array, Scalar
from .reference import KEY_INCREMENTS, MULTIPLIERS, blocks, box_muller

__all__ = ["blocks", "normal", "random_bits", "uniform"]

# The arithmetic below mixes 32-bit words in 64-bit integers; Numba would make int64 with uint64 a float64,
# so that every constant is a uint64.
_M0, _M1 = (np.uint64(multiplier) for multiplier in MULTIPLIERS)
_W0, _W1 = (np.uint64(increment) for increment in KEY_INCREMENTS)
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

# Blocks a task computes: 16 KiB of output, enough to pay for handing it to a thread.
_CHUNK = 1024


def random_bits(n: int, seed: Scalar, offset: int) -> Array:
    """n random words, uint32 (n,): word i is output i % 4 of the block with counter offset + i // 4."""
    out = np.empty((-(-n // 4), 4), np.uint32)
    offset %= 2**128
    _fill(out, np.uint64(seed % 2**64), np.uint64(offset % 2**64), np.uint64(offset >> 64))
    return out.reshape(-1)[:n]


def uniform(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n numbers, evenly spread over [0, 1): float32 from 24 bits of one word, float64 from 53 bits of two."""
    if np.dtype(dtype) == np.float32:
        words = random_bits(n, seed, offset)
        out = words.view(np.float32)
        _to_float32(words, out)
        return out
    words = random_bits(2 * n, seed, offset).view("<u8")
    out = words.view(np.float64)
    _to_float64(words, out)
    return out


def normal(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n standard normal numbers."""
    return box_muller(uniform(n + n % 2, seed, offset, dtype))[:n]


@jit(parallel=True)
def _fill(out, seed, low, high):
    n_blocks = len(out)
    for chunk in prange((n_blocks + _CHUNK - 1) // _CHUNK):
        for block in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n_blocks)):
            counter = low + np.uint64(block)
            carried = high + np.uint64(counter < low)
            x0, x1 = counter & _WORD, counter >> _HALF
            x2, x3 = carried & _WORD, carried >> _HALF
            key0, key1 = seed & _WORD, seed >> _HALF
            for _ in range(10):
                product0 = x0 * _M0
                product1 = x2 * _M1
                x0 = (product1 >> _HALF) ^ x1 ^ key0
                x2 = (product0 >> _HALF) ^ x3 ^ key1
                x1 = product1 & _WORD
                x3 = product0 & _WORD
                key0 = (key0 + _W0) & _WORD
                key1 = (key1 + _W1) & _WORD
            out[block, 0] = x0
            out[block, 1] = x1
            out[block, 2] = x2
            out[block, 3] = x3


@jit(parallel=True)
def _to_float32(words, out):
    for i in prange(len(words)):
        out[i] = np.float32(words[i] >> np.uint32(8)) * np.float32(2.0**-24)


@jit(parallel=True)
def _to_float64(words, out):
    for i in prange(len(words)):
        out[i] = np.float64(words[i] >> np.uint64(11)) * 2.0**-53
