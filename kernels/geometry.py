"""Window geometry and memory formats, shared by pooling and convolution."""

from __future__ import annotations

from typing import Any

import numpy as np


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False) -> int:
    """How many windows fit along an axis: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    With `ceil_mode` a window may hang over the end, as long as it begins inside the input or its leading padding.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    windows = -(-room // stride) + 1
    return windows - 1 if (windows - 1) * stride >= size + padding else windows


def is_channels_last(array: np.ndarray) -> bool:
    """Whether (N, C, H, W) lies in memory as (N, H, W, C).

    With one pixel or one channel both formats fit; then the strides decide.
    """
    if not array.transpose(0, 2, 3, 1).flags.c_contiguous:
        return False
    return not array.flags.c_contiguous or array.strides[3] > array.strides[1]


def is_dense(array: np.ndarray) -> bool:
    """Whether an array lies in memory without gaps, in row-major order or channels-last."""
    return array.flags.c_contiguous or (array.ndim == 4 and is_channels_last(array))


def planes(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) as (N, C, L)."""
    return x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))


def channels_to_end(x: Any) -> Any:
    """(N, C, ...) as (N, ..., C), a view."""
    return x.transpose(0, *range(2, x.ndim), 1)  # np.moveaxis takes 5 us


def channels_to_second(x: Any) -> Any:
    """(N, ..., C) as (N, C, ...), a view."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
