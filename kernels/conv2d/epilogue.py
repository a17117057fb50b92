"""The fused epilogue of a convolution: y = max(scale sum + shift, floor) for each channel, while the sums are in cache.

The shift is the bias. Batch norm in evaluation mode is a scale and another shift, ReLU the floor 0. As operations of
their own, each would read and write the whole layer once more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..cpu.jit import jit
from ..cpu.relayout import row_major


class Epilogue(NamedTuple):
    """Of a layer of O outputs."""

    scale: np.ndarray  # (O,)
    shift: np.ndarray  # (O,)
    floor: np.floating  # -inf where there is none
    scales: bool  # if it does not, sums start from the shift

    @classmethod
    def of(cls, outputs: int, dtype: np.dtype, bias=None, scale=None, relu: bool = False) -> Epilogue:
        """From vectors that may be None."""
        factors = _ones(outputs, dtype) if scale is None else row_major(scale)
        shift = np.zeros(outputs, dtype) if bias is None else row_major(bias)
        return cls(factors, shift, dtype.type(0 if relu else -np.inf), scale is not None)


@lru_cache(maxsize=256)  # a network asks the same again and again
def _ones(outputs: int, dtype: np.dtype) -> np.ndarray:
    return np.ones(outputs, dtype)


@jit
def initial(epilogue):
    """What the sums start from, (O,)."""
    return np.zeros_like(epilogue.shift) if epilogue.scales else epilogue.shift


@jit(fastmath={"contract"})
def finish(y, start, count, epilogue, channel):
    """Finish the sums y[start : start + count], of the channels from `channel` on; NaN stays NaN."""
    sums, floor = y[start : start + count], epilogue.floor
    if epilogue.scales:
        scale, shift = epilogue.scale[channel : channel + count], epilogue.shift[channel : channel + count]
        for j in range(count):
            sums[j] = sums[j] * scale[j] + shift[j]
    if floor > -np.inf:
        for j in range(count):
            sums[j] = floor if sums[j] <= floor else sums[j]


@jit(fastmath={"contract"})
def finish_rows(y, starts, count, epilogue, channel):
    """The same for many rows, with one view of the factors: a view is counted, atomically, when made and when left."""
    floor, size = epilogue.floor, np.uintp(count)
    if epilogue.scales:
        scale, shift = epilogue.scale[channel:], epilogue.shift[channel:]
        for start in starts:
            at = np.uintp(start)
            for j in range(size):
                total = y[at + j] * scale[j] + shift[j]
                y[at + j] = floor if total <= floor else total
    elif floor > -np.inf:
        for start in starts:
            at = np.uintp(start)
            for j in range(size):
                total = y[at + j]
                y[at + j] = floor if total <= floor else total


@jit(fastmath={"contract"})
def finish_channel(y, start, count, epilogue, channel):
    """The same where y[start : start + count] are pixels of one channel."""
    sums, floor = y[start : start + count], epilogue.floor
    if epilogue.scales:
        scale, shift = epilogue.scale[channel], epilogue.shift[channel]
        for p in range(count):
            sums[p] = sums[p] * scale + shift
    if floor > -np.inf:
        for p in range(count):
            sums[p] = floor if sums[p] <= floor else sums[p]
