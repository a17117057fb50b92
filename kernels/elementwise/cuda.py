"""Activations and sums on a GPU: the launches of elementwise.cu, which describes the kernels."""

from __future__ import annotations

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import THREADS, real
from ..types import Array

# Blocks at most: 16 for each multiprocessor of an H200. From there on a thread takes several packs.
_BLOCKS = 16 * 132


def relu(x: Array, out: Array | None = None) -> Array:
    """max(x, 0), written into `out` if given (dense, and x itself if you like); NaN stays NaN."""
    xp = array_module(x)
    if x.dtype.kind != "f":
        return xp.maximum(x, x.dtype.type(0), out=out)
    return _map("relu", xp.empty_like(x) if out is None else out, x)


def relu_backward(dy: Array, y: Array) -> Array:
    """dy where y = relu(x) is positive or NaN, else 0: the derivative at 0 is taken as 0."""
    xp = array_module(y)
    if y.dtype.kind != "f":
        return xp.where(y <= 0, y.dtype.type(0), dy)
    return _map("relu_backward", xp.empty_like(y), dy, y)


def add(x: Array, y: Array, out: Array | None = None) -> Array:
    """x + y, of one shape and dtype, written into `out` if given (dense, and x itself if you like).

    Otherwise the sum lies in memory as x does.
    """
    xp = array_module(x)
    if x.dtype.kind != "f":
        return xp.add(x, y, out=out)
    return _map("add", xp.empty_like(x) if out is None else out, x, y)


def erf(x: Array) -> Array:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _map("erf", array_module(x).empty_like(x), x)


def _map(what: str, out, *arrays):
    if out.size:
        number = real(what, out)
        flat = [_in_memory_order(_like(array, out)) for array in arrays]
        packs = -(-out.nbytes // 16)
        grid = (min(-(-packs // THREADS), _BLOCKS),)
        arguments = (*flat, _in_memory_order(out), np.int64(out.size))
        launch("elementwise/elementwise.cu", f"elementwise_{what}", grid, (THREADS,), arguments, defines=(number,))
    return out


def _like(array, result):
    """`array`, copied if it lies otherwise in memory than `result`."""
    if array.strides == result.strides:
        return array
    copy = array_module(result).empty_like(result)
    copy[...] = array
    return copy


def _in_memory_order(array):
    """A dense array with its axes in the order of memory, and so C-contiguous."""
    if array.flags.c_contiguous:
        return array
    return array.transpose(sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True))
