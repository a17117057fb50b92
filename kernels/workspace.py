"""Memory that kernels work in, kept from call to call: new memory costs more than filling it (a fault a page)."""

from __future__ import annotations

import math
import threading

import numpy as np

CACHE_LINE = 64  # bytes; no vector is longer
HUGE_PAGE = 2**22  # bytes from which NumPy asks for huge pages: fewer translations of addresses


class _Memory(threading.local):
    """Of each Python thread."""

    def __init__(self) -> None:
        self.bytes = np.empty(0, np.uint8)


_memory = _Memory()


def workspace(dtype: np.dtype, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Uninitialised arrays, each on a cache line; valid until this thread asks for the next ones."""
    sizes = [-(-math.prod(shape) * dtype.itemsize // CACHE_LINE) * CACHE_LINE for shape in shapes]
    if _memory.bytes.size < sum(sizes) + CACHE_LINE:
        _memory.bytes = np.empty(max(sum(sizes) + CACHE_LINE, HUGE_PAGE), np.uint8)
    start, arrays = -_memory.bytes.ctypes.data % CACHE_LINE, []
    for size, shape in zip(sizes, shapes, strict=True):
        array = _memory.bytes[start : start + math.prod(shape) * dtype.itemsize]
        arrays.append(array.view(dtype).reshape(shape))
        start += size
    return arrays
