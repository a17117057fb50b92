"""Which implementation of a kernel runs: by where the array lies and by what the caller asked for.

An operation is a folder with the same functions in up to three files: ``reference.py`` (NumPy, to be read),
``cpu.py`` (Numba) and ``cuda.py`` (CUDA C++ through CuPy). A file is imported when it first runs, so
Numba costs nothing until then.
"""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType

import numpy as np

IMPLEMENTATIONS = ("reference", "cpu", "cuda")


class _Chosen(threading.local):
    """What this thread asked for with `use_kernels`; None lets the array decide."""

    name: str | None = None


_chosen = _Chosen()
_loaded: dict[tuple[str, str], ModuleType] = {}


def implementation(operation: str, array) -> ModuleType:
    """The module whose functions run `operation` on `array`: its functions take and return plain arrays."""
    name = _chosen.name
    if type(array) is np.ndarray:
        if name == "cuda":
            raise RuntimeError(f"{operation}: use_kernels('cuda') is in force, but the tensor is on the cpu")
        if array.dtype.char == "e" and operation == "elementwise":
            name = "reference"  # there is nothing to add up, and nothing to gain
        elif array.dtype.char == "e":
            raise RuntimeError(f"{operation}: float16 is for storage; compute in float32 or float64, say x.float()")
        name = name or "cpu"
    else:
        # The reference is NumPy's; arrays of a GPU have one implementation.
        name = "cuda"
    key = (operation, name)
    module = _loaded.get(key)
    if module is None:
        module = _loaded[key] = import_module(f"{__package__}.{operation}.{name}")
    return module


class use_kernels:
    """Choose the kernels' implementation: ``use_kernels("reference")``, also as a context manager.

    The choice holds for the calling thread, from the call on; as a context manager, until its end.
    `name` is "reference" (NumPy, readable), "cpu" (Numba), "cuda", or None (by where the array lies).
    """

    def __init__(self, name: str | None):
        if name is not None and name not in IMPLEMENTATIONS:
            raise ValueError(f"use_kernels: unknown implementation {name!r}; choose one of {IMPLEMENTATIONS} or None")
        self._before = _chosen.name
        _chosen.name = name

    def __enter__(self) -> use_kernels:
        return self

    def __exit__(self, *exc_info) -> None:
        _chosen.name = self._before
