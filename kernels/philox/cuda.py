"""Philox4x32-10 on the GPU: the numbers of reference.py, bit for bit.

Normal numbers are computed in float64 by the GPU's own log and cosine, each within 2 units in the last place: as
float32 they differ from the CPU's about once in 10^8, by one unit; as float64 by some units in the last place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..cuda import array_module, launch
from ..cuda.shapes import THREADS
from ..types import Array, Scalar
from .reference import blocks

__all__ = ["advance", "blocks", "normal", "random_bits", "stream", "uniform"]

FILE = "philox/philox.cu"


def random_bits(n: int, seed: Scalar, offset: int) -> Array:
    """n random words, uint32 (n,), on the GPU: word i is output i % 4 of the block with counter offset + i // 4."""
    return _draw("philox_bits", n, seed, offset, np.uint32)


def uniform(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n numbers, evenly spread over [0, 1), on the GPU; see reference.py."""
    return _draw("philox_uniform", n, seed, offset, dtype)


def normal(n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
    """n standard normal numbers, on the GPU; see reference.py."""
    return _draw("philox_normal", n, seed, offset, dtype)


def stream(seed: Any, offset: int) -> tuple:
    """The arguments that tell a kernel where a draw begins: `Stream` in philox.cuh.

    seed: the 64-bit key; or, for a graph that is replayed, uint64 (2,) on the GPU: the key, and how many blocks
    were used up before, which is added to `offset` when the kernel runs.
    """
    number, state = (seed % 2**64, None) if isinstance(seed, int) else (0, seed)
    offset %= 2**128
    return np.uint64(number), np.uint64(offset % 2**64), np.uint64(offset >> 64), state


def advance(state: Any, blocks: int) -> None:
    """Add `blocks` to the position in `state`, uint64 (2,) on the GPU, at the end of a captured step."""
    launch(FILE, "philox_advance", (1,), (1,), (state, np.uint64(blocks)), defines=(("REAL", "float"),))


def _draw(function: str, n: int, seed: Any, offset: int, dtype: DTypeLike) -> Any:
    out = array_module(None if isinstance(seed, int) else seed).empty(n, dtype)
    if n:
        threads = -(-out.nbytes // 16)
        real = "double" if out.dtype == np.float64 else "float"
        arguments = (out, np.int64(n), *stream(seed, offset))
        launch(FILE, function, (-(-threads // THREADS),), (THREADS,), arguments, defines=(("REAL", real),))
    return out
