"""Which implementation of a kernel runs: by where the array lies and by what the caller asked for.

An operation is a folder: its `__init__.py` says what it computes, as a Protocol, and three modules compute it,
`reference.py` (NumPy, to be read), `cpu.py` (Numba) and `cuda.py` (CUDA C++ through CuPy). A module is imported when it
first runs, so Numba costs nothing until then. Where there is no Numba, as in a browser, the references run.
"""

from __future__ import annotations

import threading
import warnings
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .types import Array

if TYPE_CHECKING:
    from .avg_pool2d import AvgPool2d
    from .batch_norm import BatchNorm
    from .conv2d import Conv2d
    from .dropout import Dropout
    from .elementwise import Elementwise, ElementwiseOnGPU
    from .local_response_norm import LocalResponseNorm
    from .matmul import Matmul
    from .max_pool2d import MaxPool2d
    from .optimizer import Optimizer, OptimizerOnGPU
    from .philox import Philox
    from .reduction import Reduction
    from .softmax_cross_entropy import SoftmaxCrossEntropy, SoftmaxCrossEntropyOnGPU
    from .sum_rows import SumRows

IMPLEMENTATIONS = ("reference", "cpu", "cuda")


class _Chosen(threading.local):
    """What this thread asked for with `use_kernels`; None lets the array decide."""

    name: str | None = None


_chosen = _Chosen()
_loaded: dict[tuple[str, str], Any] = {}


@overload
def implementation(operation: Literal["avg_pool2d"], array: Array) -> AvgPool2d: ...
@overload
def implementation(operation: Literal["batch_norm"], array: Array) -> BatchNorm: ...
@overload
def implementation(operation: Literal["conv2d"], array: Array) -> Conv2d: ...
@overload
def implementation(operation: Literal["dropout"], array: Array) -> Dropout: ...
@overload
def implementation(operation: Literal["elementwise"], array: Array) -> Elementwise: ...
@overload
def implementation(operation: Literal["local_response_norm"], array: Array) -> LocalResponseNorm: ...
@overload
def implementation(operation: Literal["matmul"], array: Array) -> Matmul: ...
@overload
def implementation(operation: Literal["max_pool2d"], array: Array) -> MaxPool2d: ...
@overload
def implementation(operation: Literal["optimizer"], array: Array) -> Optimizer: ...
@overload
def implementation(operation: Literal["philox"], array: Array) -> Philox: ...
@overload
def implementation(operation: Literal["reduction"], array: Array) -> Reduction: ...
@overload
def implementation(operation: Literal["softmax_cross_entropy"], array: Array) -> SoftmaxCrossEntropy: ...
@overload
def implementation(operation: Literal["sum_rows"], array: Array) -> SumRows: ...
def implementation(operation: str, array: Array) -> Any:
    """The module whose functions run `operation` on `array`: its functions take and return plain arrays.

    RuntimeError if `use_kernels` asks for "cuda" and the array is on the CPU, or if it is of float16 there.
    """
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
    return _loaded.get((operation, name)) or _load(operation, name)


@overload
def implementation_on_gpu(operation: Literal["elementwise"]) -> ElementwiseOnGPU: ...
@overload
def implementation_on_gpu(operation: Literal["optimizer"]) -> OptimizerOnGPU: ...
@overload
def implementation_on_gpu(operation: Literal["softmax_cross_entropy"]) -> SoftmaxCrossEntropyOnGPU: ...
def implementation_on_gpu(operation: str) -> Any:
    """The module whose functions run `operation` on a GPU, with those that no other implementation has."""
    return _loaded.get((operation, "cuda")) or _load(operation, "cuda")


def _load(operation: str, name: str) -> Any:
    file = "reference" if name == "cpu" and not compiled() else name
    module = _loaded[operation, name] = import_module(f"{__package__}.{operation}.{file}")
    return module


@cache
def compiled() -> bool:
    """Whether Numba is here to compile the kernels of `cpu`; if not, one warning says so."""
    try:
        import numba  # noqa: F401
    except ImportError:
        words = "Numba is not installed: NumPy computes in place of compiled kernels, many times slower"
        warnings.warn(f"{words} (pip install numba)", stacklevel=2)
        return False
    return True


class use_kernels:
    """Choose the kernels' implementation, for the calling thread.

    The choice holds from the call on; as a context manager, until its end.

    Args:
        name: "reference" (NumPy, readable), "cpu" (Numba), "cuda", or None (by where the array is).

    Raises:
        ValueError: the name is unknown.

    Examples:
        >>> x, weight = mg.randn(1, 3, 8, 8), mg.randn(4, 3, 3, 3)
        >>> with mg.use_kernels("reference"):
        ...     y = F.conv2d(x, weight)
        >>> mg.allclose(y, F.conv2d(x, weight), atol=1e-4)
        True
    """

    def __init__(self, name: str | None):
        if name is not None and name not in IMPLEMENTATIONS:
            raise ValueError(f"use_kernels: unknown implementation {name!r}; choose one of {IMPLEMENTATIONS} or None")
        self._before = _chosen.name
        _chosen.name = name

    def __enter__(self) -> use_kernels:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        _chosen.name = self._before
