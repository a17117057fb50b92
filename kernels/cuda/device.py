"""The device layer: allocation, copies, launches and memory statistics, for CuPy and for the simulator.

It has two implementations, `cupy_backend.py` and `simulator/backend.py`, chosen once a process: the simulator where
MINIGRAD_CUDA_SIMULATOR=1 is set, CuPy otherwise. Where there is no GPU, `backend` says why in one line.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType
from typing import Any, Protocol

import numpy as np


class Backend(Protocol):
    """The interface of the device layer."""

    name: str  # "cupy" or "simulator"
    xp: Any  # the array module

    def launch(
        self,
        file: str,
        function: str,
        grid: tuple[Any, ...],
        block: tuple[Any, ...],
        args: tuple[Any, ...],
        shared: int,
        defines: tuple[Any, ...],
        indirect: tuple[Any, ...],
    ) -> None: ...
    def capability(self, device: int | None = None) -> tuple[int, int]: ...
    def device_count(self) -> int: ...
    def current_device(self) -> int: ...
    def device_name(self, device: int | None = None) -> str: ...
    def synchronize(self) -> None: ...
    def memory_allocated(self) -> int: ...
    def memory_reserved(self) -> int: ...
    def max_memory_allocated(self) -> int: ...
    def reset_peak_memory_stats(self) -> None: ...
    def empty_cache(self) -> None: ...
    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray: ...
    def is_pinned(self, host: np.ndarray) -> bool: ...
    def upload(self, host: np.ndarray, device: int | None = None, non_blocking: bool = False) -> Any: ...
    def download(self, array: Any, non_blocking: bool = False) -> np.ndarray: ...
    def event(self) -> Event: ...
    def capture(self) -> AbstractContextManager[Graph]:
        """Within it this thread's work is recorded instead of done; `Graph.launch` does it, any number of times.

        What is allocated then comes from memory of the graph's own. CaptureError where a graph cannot hold the work.
        """
        ...

    def refused_capture(self, error: BaseException) -> bool:
        """Whether an error says that what was asked for cannot be captured."""
        ...


class Event(Protocol):
    """A CUDA event."""

    def record(self) -> None: ...
    def synchronize(self) -> None: ...
    @property
    def done(self) -> bool: ...


class Graph(Protocol):
    """Captured work. It holds its own memory, and what its kernels were given; the rest its owner has to hold."""

    def launch(self) -> None: ...


@cache
def backend() -> Backend:
    """The implementation in force; RuntimeError, in one line that says why, if there is no GPU to use."""
    if simulated():
        from .simulator.compiler import compiler

        compiler()  # raises where the simulator cannot run, before it asks the system for memory
        from .simulator.backend import SimulatorBackend

        return SimulatorBackend()
    from .cupy_backend import CupyBackend

    return CupyBackend()


def simulated() -> bool:
    """Whether the simulator stands in for a GPU."""
    return os.environ.get("MINIGRAD_CUDA_SIMULATOR", "0") not in ("", "0")


def array_module(array: Any) -> ModuleType:
    """The module whose functions work on a device array: CuPy, or the simulator's stand-in."""
    if isinstance(array, np.ndarray):
        raise TypeError("array_module: expected an array of a GPU, got one of NumPy")
    return backend().xp


def capability(device: int | None = None) -> tuple[int, int]:
    """The compute capability, such as (9, 0): it decides which variants of a kernel can run."""
    return backend().capability(device)


def launch(
    file: str,
    function: str,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: tuple[Any, ...],
    shared: int = 0,
    defines: tuple[tuple[str, Any], ...] = (),
    indirect: tuple[Any, ...] = (),
) -> None:
    """Run the kernel `function` of `file` on the current stream.

    `file` is a path below kernels/, compiled once for each set of `defines`. `grid` and `block` are up to three ints.
    `args` are device arrays (the kernel gets their address), None for a null pointer, NumPy scalars of exactly the
    parameter's type, and for a struct a 0-d NumPy array of its structured dtype, which goes by value. `shared` is the
    dynamic shared memory in bytes. `indirect` are arrays that the kernel reaches through addresses stored in other
    arguments: named, so that they are alive and their bounds are known.
    """
    device = backend()
    for i, argument in enumerate(args):
        if argument is None or isinstance(argument, np.generic) or _is_struct(argument):
            continue
        if isinstance(argument, (bool, int, float)):
            raise TypeError(
                f"{function}: argument {i} is a Python {type(argument).__name__}; a kernel takes np.int32(...)"
            )
        if not isinstance(argument, device.xp.ndarray):
            where = "on the host" if isinstance(argument, np.ndarray) else "no array of the device"
            raise TypeError(f"{function}: argument {i} ({type(argument).__name__}) is {where}")
        if not argument.flags.c_contiguous:
            raise ValueError(
                f"{function}: argument {i} of shape {argument.shape} and strides {argument.strides} is not C-contiguous"
            )
    device.launch(file, function, grid, block, args, shared, defines, indirect)


def _is_struct(argument: Any) -> bool:
    return isinstance(argument, np.ndarray) and argument.ndim == 0 and argument.dtype.names is not None
