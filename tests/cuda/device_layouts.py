"""Arrays of (N, C, ...) on the device, in the layouts that kernels take without a copy."""

import numpy as np


def channels_last(x: np.ndarray) -> np.ndarray:
    """The same (N, C, ...), in memory (N, ..., C)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def lay(x: np.ndarray, last: bool) -> np.ndarray:
    """x, channels-last in memory if `last`."""
    return channels_last(x) if last else np.ascontiguousarray(x)


def on_device(xp, x: np.ndarray):
    """x with its axes in the same order in memory; an upload by itself makes it C-contiguous."""
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    return xp.asarray(np.ascontiguousarray(x.transpose(axes))).transpose(np.argsort(axes).tolist())
