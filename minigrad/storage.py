"""The memory behind arrays: which array owns it, where it is, and copies of it in which views stay views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


def owner(array: Any) -> Any:
    """The array that `array` is a view of, directly or not; itself if it is no view.

    The memory of that one may be another object's: a file's, or a foreign library's.
    """
    while True:
        base = array.base
        if not isinstance(base, type(array)):
            base = getattr(base, "base", None)  # `as_strided` puts an object of its own in between
            if not isinstance(base, type(array)):
                return array
        array = base


def address(array: Any) -> int:
    """The address of the first element."""
    return array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr


def same_memory(a: Any, b: Any) -> bool:
    """Whether two arrays are views of one."""
    a, b = owner(a), owner(b)
    return a is b if isinstance(a, np.ndarray) else address(a) == address(b)


def deepcopy(array: Any, memo: dict[int, Any]) -> Any:
    """A copy of `array` with the strides it has, in a copy of all the memory that it is a view of.

    `memo` is that of `copy.deepcopy`: what shares memory and is copied with one memo shares memory again. On a GPU
    so do contiguous views.
    """
    whole = owner(array)
    if whole is array and id(whole) not in memo:
        memo[id(whole)] = copied = array.copy(order="K")
        return copied
    if whole.dtype != array.dtype or not (isinstance(array, np.ndarray) or array.flags.c_contiguous):
        return array.copy(order="K")
    if id(whole) not in memo:
        memo[id(whole)] = whole.copy(order="K")
    copied = memo[id(whole)]
    numbers = copied.reshape(-1) if copied.flags.c_contiguous else copied.ravel("K")
    offset, rest = divmod(address(array) - address(whole), array.itemsize)
    if rest or copied.strides != whole.strides or owner(numbers) is not copied:
        return array.copy(order="K")  # the memory has gaps
    if isinstance(array, np.ndarray):
        return as_strided(numbers[offset:], array.shape, array.strides)
    return numbers[offset : offset + array.size].reshape(array.shape)
