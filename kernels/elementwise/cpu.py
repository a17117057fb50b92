"""Activations and sums with Numba: one pass in the order of memory, whatever the layout."""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import jit, team
from ..cpu.relayout import in_order_of
from ..types import Array

NANOSECONDS = 0.3  # an element takes one thread
SMALL = 1 << 14  # elements that NumPy is done with before a kernel has been called: 1 us for 2,000


def relu(x: Array, out: Array | None = None) -> Array:
    """max(x, 0), written into `out` if given (dense, and x itself if you like); NaN stays NaN."""
    if x.size <= SMALL:
        return np.maximum(x, x.dtype.type(0), out=out)
    y = np.empty_like(x) if out is None else out
    team(_relu, NANOSECONDS * y.size)(_in_order_of(y, x), y.ravel("K"))
    return y


def relu_backward(dy: Array, y: Array) -> Array:
    """dy where y = relu(x) is positive or NaN, else 0: the derivative at 0 is taken as 0."""
    dx = np.empty_like(y)
    kernel = team(_relu_backward, NANOSECONDS * y.size)
    kernel(_in_order_of(dx, dy), _in_order_of(dx, y), dx.ravel("K"))
    return dx


def add(x: Array, y: Array, out: Array | None = None) -> Array:
    """x + y, of one shape and dtype, written into `out` if given (dense, and x itself if you like).

    Otherwise the sum lies in memory as x does.
    """
    total = np.empty_like(x) if out is None else out
    kernel = team(_add, NANOSECONDS * x.size)
    kernel(_in_order_of(total, x), _in_order_of(total, y), total.ravel("K"))
    return total


def _in_order_of(result: np.ndarray, array: np.ndarray) -> np.ndarray:
    """The elements of `array`, flat, in the order in which those of `result` lie in memory."""
    return in_order_of(result, array).ravel("K")


@jit(parallel=True)
def _relu(x, y):
    for i in prange(len(x)):
        y[i] = np.float32(0) if x[i] <= 0 else x[i]


@jit(parallel=True)
def _relu_backward(dy, y, dx):
    for i in prange(len(y)):
        dx[i] = np.float32(0) if y[i] <= 0 else dy[i]


@jit(parallel=True)
def _add(x, y, total):
    for i in prange(len(x)):
        total[i] = x[i] + y[i]
