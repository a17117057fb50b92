"""Philox4x32-10 in NumPy: the definition that every other implementation reproduces bit for bit.

A counter-based generator has no state: block number b of the stream `seed` is a keyed scramble of b itself,
so any part of the stream can be computed by anyone, in any order, on any device, and comes out the same.
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..types import Array, Scalar

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
# What is added to the two key words after each round (the golden ratio and sqrt(3) - 1, as 32-bit fractions).
KEY_INCREMENTS = 0x9E3779B9, 0xBB67AE85
WORD = 0xFFFFFFFF

# Blocks scrambled together, and pairs made normal: their 64-bit words then stay in the second-level cache.
_CHUNK = 8192


def blocks(n: int, dtype: DTypeLike) -> int:
    """How many counter values a draw of n values uses: 4 words a block, 2 words for a value of 8 bytes."""
    words = n * (np.dtype(dtype).itemsize // 4)
    return -(-words // 4)


def random_bits(n: int, seed: Scalar, offset: int) -> Array:
    """n random words, uint32 (n,): word i is output i % 4 of the block with counter offset + i // 4.

    seed: the 64-bit key (taken modulo 2**64). offset: the first 128-bit counter (taken modulo 2**128).
    """
    n_blocks = -(-n // 4)
    out = np.empty((n_blocks, 4), np.uint32)
    for start in range(0, n_blocks, _CHUNK):
        stop = min(start + _CHUNK, n_blocks)
        _scramble(_counters(offset + start, stop - start), seed, out[start:stop])
    return out.reshape(-1)[:n]


def uniform(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n numbers, evenly spread over [0, 1): float32 from 24 bits of one word, float64 from 53 bits of two."""
    if np.dtype(dtype) == np.float32:
        return (random_bits(n, seed, offset) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    low, high = random_bits(2 * n, seed, offset).reshape(n, 2).T.astype(np.uint64)
    return ((high << np.uint64(32) | low) >> np.uint64(11)) * 2.0**-53


def normal(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n standard normal numbers."""
    return box_muller(uniform(n + n % 2, seed, offset, dtype))[:n]


def box_muller(u: np.ndarray) -> np.ndarray:
    """As many normal numbers as there are uniform ones in u (an even count), pair by pair.

    A pair becomes the radius sqrt(-2 log(1 - u1)) and the angle 2 pi u2 of a point in the plane, and its two
    coordinates are independent and normal. Computed in float64, so that float32 rounds alike everywhere.
    """
    pairs = u.reshape(-1, 2)
    out = np.empty_like(pairs)
    for start in range(0, len(pairs), _CHUNK):
        chunk = slice(start, start + _CHUNK)  # so that the float64s of a large draw stay in the cache
        u1, u2 = pairs[chunk].astype(np.float64).T
        radius = np.sqrt(-2 * np.log1p(-u1))
        angle = 2 * np.pi * u2
        out[chunk, 0] = radius * np.cos(angle)
        out[chunk, 1] = radius * np.sin(angle)
    return out.reshape(-1)


def _counters(first: int, n: int) -> list[np.ndarray]:
    """The 128-bit counters first, first + 1, ... as four uint64 arrays of 32-bit words, lowest first."""
    first %= 2**128
    low = np.arange(n, dtype=np.uint64) + np.uint64(first & 2**64 - 1)
    carry = low < np.uint64(first & 2**64 - 1)
    high = np.uint64(first >> 64) + carry.astype(np.uint64)
    return [low & WORD, low >> np.uint64(32), high & WORD, high >> np.uint64(32)]


def _scramble(counter: list[np.ndarray], seed: int, out: np.ndarray) -> None:
    """Ten rounds of two 32 x 32 -> 64 bit products, whose halves are crossed and mixed with the key."""
    x0, x1, x2, x3 = counter
    key0, key1 = seed & WORD, seed >> 32 & WORD
    for _ in range(ROUNDS):
        product0 = x0 * np.uint64(MULTIPLIERS[0])
        product1 = x2 * np.uint64(MULTIPLIERS[1])
        x0 = product1 >> np.uint64(32) ^ x1 ^ np.uint64(key0)
        x2 = product0 >> np.uint64(32) ^ x3 ^ np.uint64(key1)
        x1 = product1 & np.uint64(WORD)
        x3 = product0 & np.uint64(WORD)
        key0 = key0 + KEY_INCREMENTS[0] & WORD
        key1 = key1 + KEY_INCREMENTS[1] & WORD
    for i, word in enumerate((x0, x1, x2, x3)):
        out[:, i] = word
