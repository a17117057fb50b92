"""A stand-in for the part of CuPy that minigrad uses: arrays of the simulated device, and the functions on them.

An array wraps a NumPy array that lies in the simulated device's memory, and shows only what CuPy 14 shows
(cupy_names.txt): functions and arguments that only NumPy has fail here as they would there, host arrays are refused,
and nothing becomes a host array by itself. `empty` is full of NaN.

Stricter than CuPy: an index out of range raises (CuPy wraps around), and host arrays are no index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import repeat
from .ndarray import Function, allocate, cupy_names, from_host, implements
from .ndarray import ndarray as ndarray
from .trace import record, tracing

# The names of types and constants, the same as NumPy's.
_SAME_AS_NUMPY = {
    *("bool", "bool_", "int8", "int16", "int32", "int64", "intp", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128", "generic", "number", "integer", "signedinteger"),
    *("unsignedinteger", "inexact", "floating", "complexfloating", "dtype", "finfo", "iinfo", "newaxis", "pi", "e"),
    *("inf", "nan", "euler_gamma", "can_cast", "result_type", "promote_types", "issubdtype", "isdtype", "isscalar"),
    *("broadcast_shapes", "ndindex", "s_", "index_exp"),
}


def __getattr__(name: str) -> Any:
    if name in _SAME_AS_NUMPY:
        return getattr(np, name)
    if name in cupy_names() and "." not in name:
        return Function(name, getattr(np, name))
    raise AttributeError(f"CuPy has no {name!r}, or minigrad's stand-in for it (the CUDA simulator) lacks it")


class _Linalg:
    def __getattr__(self, name: str) -> Any:
        if f"linalg.{name}" in cupy_names():
            return Function(f"linalg.{name}", getattr(np.linalg, name))
        raise AttributeError(f"cupy.linalg has no {name!r}")


linalg = _Linalg()


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """An array full of NaN."""
    return ndarray(shape, dtype, order)


@implements(np.empty_like)
def empty_like(
    prototype: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    """An array full of NaN; `order` "K" keeps the order of the axes in memory."""
    like = prototype._array
    new_shape = like.shape if shape is None else ((shape,) if isinstance(shape, int) else tuple(shape))
    return ndarray._of(allocate(new_shape, np.dtype(like.dtype if dtype is None else dtype), like, order))


def _filled(array: ndarray, value: Any, name: str) -> ndarray:
    array._array[...] = value
    if tracing():
        repeat(np.ndarray.__setitem__, (array._array, ..., value), {}, [])
        record("call", name, array.data.ptr, array.shape, repr(value))
    return array


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """An array of zeros."""
    return _filled(empty(shape, dtype, order), 0, "zeros")


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """An array of ones."""
    return _filled(empty(shape, dtype, order), 1, "ones")


@implements(np.zeros_like)
def zeros_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    """An array of zeros, like `a`."""
    return _filled(empty_like(a, dtype, order, subok, shape), 0, "zeros_like")


@implements(np.ones_like)
def ones_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    """An array of ones, like `a`."""
    return _filled(empty_like(a, dtype, order, subok, shape), 1, "ones_like")


def array(
    obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", subok: bool = False, ndmin: int = 0
) -> ndarray:
    """An array of the device from one of the host, from nested lists, or from another of the device.

    As in CuPy, a host array that is neither C- nor F-contiguous becomes C-contiguous.
    """
    if isinstance(obj, ndarray):
        new = obj.astype(obj.dtype if dtype is None else dtype, order=order, copy=copy)
    else:
        host = np.asarray(_host(obj), dtype)
        new = from_host(host, "F" if host.flags.fnc and order in "AFK" else "C")
    return new if new.ndim >= ndmin else new[(None,) * (ndmin - new.ndim)]


def _host(value: Any) -> Any:
    """Nested lists may hold arrays of the device: 0-d ones are read."""
    if isinstance(value, (list, tuple)):
        return [_host(item) for item in value]
    return value._read() if isinstance(value, ndarray) else value


def asarray(a: Any, dtype: Any = None, order: str = "K", copy: bool | None = None, blocking: bool = False) -> ndarray:
    """`array`, without a copy if `a` lies on the device already."""
    new = array(a, dtype, copy=bool(copy), order="K" if order is None else order)
    return ascontiguousarray(new) if order == "C" else new


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    """C-contiguous, without a copy if it is so already."""
    new = array(a, dtype, copy=False)
    return (
        new
        if new._array.flags.c_contiguous and new.ndim
        else ndarray._of(new._array.reshape(new.shape or 1)).astype(new.dtype, order="C")
    )


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    """A NumPy copy."""
    if isinstance(a, ndarray):
        return a.get(order=order, out=out)
    return np.asarray(a, order=order)  # type: ignore[call-overload]


@implements(np.concatenate)
def concatenate(tup: Any, axis: int | None = 0, out: Any = None, **keywords: Any) -> ndarray:
    """The arrays one after the other. Of more than eight small ones CuPy uploads a table of addresses."""
    arrays = list(tup)
    small = sum([array.nbytes for array in arrays]) < 2**21 * len(arrays)
    if len(arrays) > 8 and small and len({array.dtype for array in arrays}) == 1:
        record("upload", "a table of addresses")
    return Function("concatenate", np.concatenate)(arrays, axis, out, **keywords)


@implements(np.stack)
def stack(tup: Any, axis: int = 0, out: Any = None, **keywords: Any) -> ndarray:
    """The arrays side by side along a new axis; as CuPy's, by `concatenate`."""
    return concatenate([expand_dims(array, axis) for array in tup], axis, out, **keywords)


def expand_dims(a: ndarray, axis: int) -> ndarray:
    """A view with a new axis."""
    return Function("expand_dims", np.expand_dims)(a, axis)


@implements(np.may_share_memory)
def may_share_memory(a: ndarray, b: ndarray) -> bool:
    """Whether two arrays' ranges of memory overlap."""
    return np.may_share_memory(a._array, b._array)


@implements(np.shares_memory)
def shares_memory(a: ndarray, b: ndarray) -> bool:
    """Whether two arrays share an element."""
    return np.shares_memory(a._array, b._array)
