"""Activations and sums in NumPy."""

from __future__ import annotations

import numpy as np

from ..types import Array


def relu(x: Array, out: Array | None = None) -> Array:
    """max(x, 0), written into `out` if given (dense, and x itself if you like); NaN stays NaN."""
    return np.maximum(x, x.dtype.type(0), out=out)


def relu_backward(dy: Array, y: Array) -> Array:
    """dy where y = relu(x) is positive or NaN, else 0: the derivative at 0 is taken as 0."""
    return np.where(y <= 0, y.dtype.type(0), dy)


def add(x: Array, y: Array, out: Array | None = None) -> Array:
    """x + y, of one shape and dtype, written into `out` if given (x itself if you like)."""
    return np.add(x, y, out=out)
