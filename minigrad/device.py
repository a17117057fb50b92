"""Where arrays live: devices, and the array module (NumPy or CuPy) that an array belongs to."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.kernels import assertions, cuda

__all__ = ["device", "get_num_threads", "set_num_threads"]


class device:
    """Name where an array lies: ``device("cpu")``, ``device("cuda")``, ``device("cuda:1")`` or ``device("cuda", 1)``.

    Args:
        type: "cpu", "cuda" or "cuda:N", or a device.
        index: the GPU's number; None means the current one.

    Raises:
        TypeError: `type` is not a string or a device.
        RuntimeError: the string names no device, or an index is given twice.

    Examples:
        >>> mg.device("cuda:1").index
        1
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None):
        if isinstance(type, device):
            index = type.index if index is None else index
            type = type.type
        if not isinstance(type, str):
            raise TypeError(f"device: expected a string such as 'cpu' or 'cuda:0', got {type!r}")
        name, _, number = type.partition(":")
        if number:
            if index is not None:
                raise RuntimeError(f"device: {type!r} names an index already, but index={index} was given too")
            if not number.isdecimal():
                raise RuntimeError(f"device: invalid device string {type!r}; expected 'cpu', 'cuda' or 'cuda:N'")
            index = int(number)
        if name not in ("cpu", "cuda"):
            raise RuntimeError(f"device: expected a device of type 'cpu' or 'cuda', got {type!r}")
        self.type, self.index = name, index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


CPU = device("cpu")


def array_module(array: Any) -> ModuleType:
    """The module whose functions work on `array`: NumPy, or for an array on a GPU CuPy (or the simulator's arrays)."""
    if isinstance(array, np.ndarray):
        return np
    return cuda.array_module(array)


def device_of(array: Any) -> device:
    """The device that `array` is on."""
    if isinstance(array, np.ndarray):
        return CPU
    return _gpu(array.device.id)


@cache
def _gpu(index: int) -> device:
    return device("cuda", index)


def arrays_on(where: device | str | None) -> ModuleType:
    """The module that makes arrays on a device (None: the CPU)."""
    return np if where is None or device(where).type == "cpu" else cuda_backend().xp


def cuda_backend() -> Any:
    """The device layer (`Backend` in kernels/cuda/device.py); without a GPU a RuntimeError, in one line, says why."""
    return cuda.backend()


def cuda_device_count() -> int:
    """The number of GPUs that can be used; `cuda_backend` says why there is none."""
    try:
        return cuda_backend().device_count()
    except RuntimeError:
        return 0


def to_device(array: Any, where: device | str | None, non_blocking: bool = False) -> Any:
    """`array` on the device `where` (None: where it is), without a copy if it is there already.

    A copy has its axes in the same order in memory. With `non_blocking` the host does not wait until the GPU has read
    pinned memory, and must not write into it before; nor, from a GPU, until it has written the copy, in pinned memory.
    """
    if where is None:
        return array
    where = device(where)
    if where.type == "cpu" and (isinstance(array, np.ndarray) or not non_blocking):
        return on_host(array)
    backend = cuda_backend()
    if where.type == "cpu":
        return _in_memory_order(array, lambda dense: backend.download(dense, non_blocking))
    if where.index is not None and where.index >= backend.device_count():
        raise RuntimeError(f"device '{where}': there are only {backend.device_count()} GPUs, counted from 0")
    if not isinstance(array, np.ndarray):
        if where.index in (None, array.device.id):
            return array
        with backend.xp.cuda.Device(where.index):
            return _in_memory_order(array, lambda dense: dense.copy())
    if array.ndim == 0:  # a number goes as an argument of the kernel that writes it
        return backend.xp.full((), array[()], array.dtype)
    return _in_memory_order(array, lambda dense: backend.upload(dense, where.index, non_blocking))


def on_host(array: Any) -> np.ndarray:
    """`array` in the host's memory: itself, or a copy from the GPU, which raises what was noted there."""
    if isinstance(array, np.ndarray):
        return array
    copy = _in_memory_order(array, cuda_backend().download)
    assertions.raise_noted()
    return copy


def pinned(array: np.ndarray) -> np.ndarray:
    """A copy in memory that the operating system keeps in its place, so that a GPU reads it without the host's help."""
    copy = cuda_backend().pinned(array.shape, array.dtype)
    copy[...] = array
    return copy


def _in_memory_order(array: Any, copy: Any) -> Any:
    """copy(array), the outermost axes first, so that the copy lies in memory as `array` does (channels-last too)."""
    if array.flags.c_contiguous:
        return copy(array)
    order = sorted(range(array.ndim), key=lambda dim: -abs(array.strides[dim]))
    return copy(array.transpose(order)).transpose([order.index(dim) for dim in range(array.ndim)])


def get_num_threads() -> int:
    """Return the number of threads that computations on the CPU use.

    Examples:
        >>> mg.get_num_threads() >= 1
        True
    """
    from minigrad.kernels import compiled

    if not compiled():
        return 1
    from minigrad.kernels import cpu  # here and below: it imports Numba

    return cpu.get_num_threads()


def set_num_threads(count: int) -> None:
    """Let computations on the CPU use `count` threads; the results do not depend on it.

    Examples:
        >>> before = mg.get_num_threads()
        >>> mg.set_num_threads(1)
        >>> mg.get_num_threads()
        1
        >>> mg.set_num_threads(before)
    """
    from minigrad.kernels import compiled

    if compiled():
        from minigrad.kernels import cpu

        cpu.set_num_threads(count)
