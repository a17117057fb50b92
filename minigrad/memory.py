"""The C library's memory: what a step frees is kept for the next step, which needs the same sizes again."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of <malloc.h>
ADVISE_HUGE = 14  # MADV_HUGEPAGE of <sys/mman.h>
HUGE_PAGE = 2**21  # bytes
IN_HUGE_PAGES = 2**30  # bytes of the heap


def keep_freed_memory() -> None:
    """Let glibc keep what is freed; `import minigrad` does so unless MINIGRAD_KEEP_MEMORY=0 is set.

    By default glibc gives large blocks back to the system, and getting them anew costs a page fault for every 4 KiB.
    Without those faults a training step takes the processor 0.76 of the time for LeNet-5 (64 pictures of 28x28), 0.92
    for ResNet-20 (64 of 32x32) and 0.84 for VGG-11 (4 of 224x224), whose peak memory grows from 1.9 to 2.2 GiB; that of
    the others does not. A threshold for trimming is not enough: large blocks must come from the heap too.

    And let Linux give the first GiB of the heap in pages of 2 MiB, as NumPy asks for in arrays of 4 MiB and more only:
    weights and pictures are then found without walking through page tables. One picture of 224x224 takes ResNet-50
    0.97 of the time. What is not written to takes no memory.

    Other C libraries do as they think best.
    """
    if os.environ.get("MINIGRAD_KEEP_MEMORY") == "0":
        return
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    except (AttributeError, OSError, TypeError):
        return
    libc.mallopt(MMAP_MAX, 0)
    libc.malloc.restype = ctypes.c_void_p
    if block := libc.malloc(ctypes.c_size_t(IN_HUGE_PAGES)):
        start = -(-block // HUGE_PAGE) * HUGE_PAGE
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(IN_HUGE_PAGES - HUGE_PAGE), ADVISE_HUGE)
        libc.free(ctypes.c_void_p(block))
