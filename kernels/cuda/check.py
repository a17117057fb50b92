"""Launches of check.cu, asynchronous: a fault is noted in a word on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import array_module, launch

THREADS = 256
MOST_BLOCKS = 1024  # each thread then looks at several values, which costs less than more blocks do


def words(like: Any, count: int) -> Any:
    """`count` words in which nothing is noted, where the array `like` lies."""
    return array_module(like).zeros(count, np.uint64)


def check_range(values: Any, low: int, high: int, exception: int, word: Any) -> None:
    """Note the largest of the integers `values` that is neither in [low, high] nor `exception`.

    `word` is an array of one uint64; see `noted_value`.
    """
    values = array_module(values).ascontiguousarray(values.astype(np.int64, copy=False))
    bounds = np.int64(low), np.int64(high), np.int64(exception)
    _launch("check_range", values, *bounds, word)


def check_none(marks: Any, word: Any) -> None:
    """Note that one of the booleans `marks` is True."""
    _launch("check_none", array_module(marks).ascontiguousarray(marks), word)


def noted_value(word: int) -> int:
    """The integer that a word other than 0 stands for."""
    return word - 2**63


def _launch(function: str, values: Any, *arguments: Any) -> None:
    if values.size:
        blocks = min(-(-values.size // THREADS), MOST_BLOCKS)
        launch("cuda/check.cu", function, (blocks,), (THREADS,), (values, np.int64(values.size), *arguments))
