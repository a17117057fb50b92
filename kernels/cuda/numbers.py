"""Launch of numbers.cu, which writes the numbers of a captured step before each replay."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import array_module, launch

WORDS = 256  # that one launch writes, as in numbers.cu
NUMBERS = np.dtype([("word", np.uint64, WORDS)])


def words(count: int) -> Any:
    """Memory for `count` words of 8 bytes, where the current GPU is."""
    return array_module(None).zeros(count, np.uint64)


def write(values: np.ndarray, out: Any) -> None:
    """Set the first words of `out`, uint64 on the GPU, to `values`, at most 256 uint64; nothing waits."""
    numbers = np.zeros((), NUMBERS)
    numbers["word"][: len(values)] = values
    launch("cuda/numbers.cu", "numbers_write", (1,), (WORDS,), (numbers, out, np.int32(len(values))))
