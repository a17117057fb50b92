"""Working memory of kernels, reused from call to call: new memory costs a page fault a page, more than filling it."""

from __future__ import annotations

import math
import threading

import numpy as np

CACHE_LINE = 64  # bytes; no vector is longer
SMALLEST_IN_HUGE_PAGES = 2**22  # bytes of an array for which NumPy asks for pages of 2 MiB: fewer address translations


class _Memory(threading.local):
    """Of each Python thread."""

    def __init__(self) -> None:
        self.reserve(0)

    def reserve(self, size: int) -> None:
        """Allocate `size` bytes, aligned to a cache line."""
        memory = np.empty(size + CACHE_LINE, np.uint8)
        self.bytes = memory[-memory.ctypes.data % CACHE_LINE :]


_memory = _Memory()


def workspace(dtype: np.dtype, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Uninitialised arrays, each on a cache line; valid until this thread asks for the next ones."""
    sizes = [-(-math.prod(shape) * dtype.itemsize // CACHE_LINE) * CACHE_LINE for shape in shapes]
    if _memory.bytes.size < sum(sizes):
        _memory.reserve(max(sum(sizes), SMALLEST_IN_HUGE_PAGES))
    start, arrays = 0, []
    for size, shape in zip(sizes, shapes, strict=True):
        arrays.append(np.ndarray(shape, dtype, _memory.bytes, start))
        start += size
    return arrays
