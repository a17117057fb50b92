"""What several kernels' tests share: layouts in memory, and results that do not depend on the threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numba
import numpy as np


def channels_last(x: np.ndarray) -> np.ndarray:
    """The same (N, C, ...), in memory (N, ..., C)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


# Each keeps the values of (N, C, ...) and lays them differently.
LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "channels_last": channels_last,
    "flipped": lambda x: np.flip(np.ascontiguousarray(np.flip(x))),
    "reversed axes": lambda x: np.ascontiguousarray(x.T).T,
}


def assert_same_on_one_thread(run: Callable[[], Sequence[np.ndarray]]) -> None:
    """`run` gives the same arrays, to the last bit, on all threads and on one."""
    threads = numba.get_num_threads()
    together = run()
    try:
        numba.set_num_threads(1)
        alone = run()
    finally:
        numba.set_num_threads(threads)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)
