"""The simulated device's memory: one range of addresses, blocks with a guard page behind each, and a pool.

As CuPy's pool: sizes are rounded up to 512 bytes, a freed block is kept for the next request of its size. Unlike
CuPy's, the block with the lowest address goes first, so that which addresses a program gets depends only on what it
holds, not on what it did before: two equal training steps get equal addresses.
"""

from __future__ import annotations

import ctypes
import heapq
import math
import mmap
import threading
from typing import Any

import numpy as np

from ..errors import OutOfMemoryError, out_of_memory
from .graph import Arena, capturing
from .settings import current
from .trace import record, tracing

PAGE = mmap.PAGESIZE
UNIT = 512  # bytes; CuPy's allocation unit
RESERVED = 2**38  # bytes of addresses, not of memory: no program of ours reaches 256 GiB
POISON = 0xFF  # all bits set: NaN, or -1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Block:
    """Memory of one array and its views: `size` bytes from `address`, back in the pool when the last one is gone."""

    __slots__ = ("__array_interface__", "address", "arena", "nbytes", "pool", "size")

    def __init__(
        self, pool: Pool, arena: Arena, address: int, size: int, shape: tuple[int, ...], dtype: np.dtype, nbytes: int
    ):
        self.pool, self.arena, self.address, self.size, self.nbytes = pool, arena, address, size, nbytes
        self.__array_interface__ = {"version": 3, "data": (address, False), "shape": shape, "typestr": dtype.str}

    def __del__(self) -> None:
        self.pool.release(self)

    def overwritten(self) -> bool:
        """Whether something was written between the array's last byte and the block's."""
        end = ctypes.string_at(self.address + self.nbytes, self.size - self.nbytes)
        return end.count(POISON) != len(end)


class Pool:
    """Gives out blocks; counts them."""

    _push = staticmethod(heapq.heappush)  # kept: when Python ends, modules lose their names before all arrays are gone

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a block may die, in garbage collection, while another is given out
        self._arena = Arena()
        self._taken: dict[int, int] = {}  # address and size of the blocks that are in use
        self._base = self._top = 0
        self.used = self.peak = self.held = 0

    @property
    def addresses(self) -> tuple[int, int]:
        """The range that all blocks lie in."""
        return self._base, self._base + RESERVED

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A C-contiguous array over a block of its own, every byte 0xFF."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes == 0:
            return np.empty(shape, dtype)
        size = -(-nbytes // UNIT) * UNIT
        graph = capturing()
        arena = self._arena if graph is None else graph.arena
        with self._lock:
            limit = current().memory
            if limit is not None and self.used + size > limit:
                raise OutOfMemoryError(out_of_memory(nbytes, self.used, 0, limit - self.used, limit))
            free = arena.free.get(size)
            if free:
                address = heapq.heappop(free)
            else:
                address = self._extend(size)
                self.held += size
            self.used += size
            self.peak = max(self.peak, self.used)
            self._taken[address] = size
        block = Block(self, arena, address, size, shape, dtype, nbytes)
        ctypes.memset(address, POISON, size)
        if graph is not None:  # no launch may count on what an earlier one left
            graph.add(lambda: ctypes.memset(address, POISON, size))
        if tracing():
            record("allocate", "", address, nbytes)
        return np.asarray(block)

    def release(self, block: Block) -> None:
        with self._lock:
            self.used -= block.size
            self._taken.pop(block.address)
            self._push(block.arena.free.setdefault(block.size, []), block.address)

    def contents(self) -> dict[int, bytes]:
        """A copy of all memory in use."""
        with self._lock:
            return {address: ctypes.string_at(address, size) for address, size in self._taken.items()}

    def restore(self, contents: dict[int, bytes]) -> None:
        """Undo all that was written since; blocks that are new hold nothing."""
        with self._lock:
            for address, size in self._taken.items():
                ctypes.memmove(address, contents.get(address, bytes([POISON]) * size), size)

    def close(self, arena: Arena) -> None:
        """Return an arena's free memory to the pool, and what is freed into it later."""
        with self._lock:
            for size, addresses in arena.free.items():
                for address in addresses:
                    self._push(self._arena.free.setdefault(size, []), address)
            arena.free = self._arena.free

    def free_all_blocks(self) -> None:
        """Give the memory of free blocks back to the system; their addresses stay for their size."""
        dont_need = 4  # MADV_DONTNEED
        with self._lock:
            for size, addresses in self._arena.free.items():
                for address in addresses:
                    start = address - address % PAGE
                    _libc.madvise(start, address + size - start, dont_need)
            self.held = self.used

    def _extend(self, size: int) -> int:
        """New addresses: whole pages, the block at their end, and a page that nobody may touch behind it."""
        if not self._base:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
            base = _libc.mmap(None, RESERVED, 0, flags, -1, 0)
            if base in (None, ctypes.c_void_p(-1).value):
                raise OutOfMemoryError("the simulated device finds no range of addresses: lift `ulimit -v`")
            self._base = self._top = base
        pages = -(-size // PAGE) * PAGE
        start = self._top
        if start + pages + PAGE > self._base + RESERVED:
            raise OutOfMemoryError("the simulated device has used up its addresses")
        if _libc.mprotect(start, pages, mmap.PROT_READ | mmap.PROT_WRITE):
            raise OutOfMemoryError("the simulated device can hold no more arrays at once")
        self._top = start + pages + PAGE
        return start + pages - size


pool = Pool()


def block_of(array: np.ndarray) -> Block | None:
    """The block that an array, or the array it is a view of, lies in; None for memory of the host."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, Block) else None
