"""Keywords that PyTorch understands besides its own: NumPy's names, sizes by name, and `out`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import Parameter, isfunction, signature
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.autograd import is_grad_enabled, no_grad
from minigrad.autograd.inplace import write
from minigrad.ops import arithmetic, choice, comparison, elementwise, pointwise
from minigrad.ops.reshape_in_place import resize_
from minigrad.storage import same_memory
from minigrad.tensor import Tensor

# What NumPy calls PyTorch's parameters.
NUMPY = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}


ELEMENT_BY_ELEMENT = {
    name for family in (arithmetic, choice, comparison, elementwise, pointwise) for name in family.__all__
}


def understand(family: ModuleType, *names: str) -> None:
    """Let public functions of a module, or all, be called with the keywords that PyTorch understands besides."""
    for name in names or family.__all__:
        function = getattr(family, name)
        if isfunction(function):
            setattr(family, name, _with_out(_with_size(with_numpy_names(function))))


def with_numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that knows its parameters by NumPy's names too; itself if NumPy has none for them."""
    parameters = signature(function).parameters
    if not parameters.keys() & {"dim", "keepdim"}:
        return function
    renamed = {theirs: ours for theirs, ours in NUMPY.items() if ours in parameters and theirs not in parameters}

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for theirs in kwargs.keys() & renamed:
            if renamed[theirs] in kwargs:
                raise TypeError(f"{function.__name__}: {theirs} and {renamed[theirs]} are the same; give one of them")
            kwargs[renamed[theirs]] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return wrapper


def _with_size(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose sizes, if it takes them one by one, may be given as ``size=(2, 3)`` too."""
    size = signature(function).parameters.get("size")
    if size is None or size.kind is not Parameter.VAR_POSITIONAL:
        return function

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, kwargs.pop("size"), **kwargs) if "size" in kwargs else function(*args, **kwargs)

    return wrapper


def _with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that may be told by ``out=tensor`` where its result is to be written."""

    @wraps(function)
    def wrapper(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        _check_apart(function.__name__, [*args, *kwargs.values()], out)
        return _written(function.__name__, function(*args, **kwargs), out)

    return wrapper


def _check_apart(operation: str, arguments: Any, out: Any) -> None:
    """RuntimeError if `out` overlaps an argument; element by element it may be one: ``add(x, 1, out=x)``."""
    for argument in _tensors(arguments):
        for into in _tensors([out]):
            allowed = argument is into and operation in ELEMENT_BY_ELEMENT
            if not allowed and _overlap(argument.array, into.array):
                raise RuntimeError(
                    f"{operation}: unsupported operation: some elements of an input and of the written-to tensor "
                    "refer to a single memory location; clone() one of them first"
                )


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _overlap(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.may_share_memory(a, b)
    return type(a) is type(b) and same_memory(a, b)


def _written(operation: str, result: Any, out: Any) -> Any:
    """`out` with the result written into it, resized if it has another shape."""
    if isinstance(out, tuple | list) and isinstance(result, tuple) and len(out) == len(result):
        written = [_written(operation, part, into) for part, into in zip(result, out, strict=True)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
    if not isinstance(out, Tensor) or not isinstance(result, Tensor):
        raise TypeError(f"{operation}: argument 'out' must be Tensor (or as many as the results), not {_names(out)}")
    if is_grad_enabled() and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{operation}: functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad"
        )
    if result.dtype.kind == "f" != out.dtype.kind or result.dtype != bool == out.dtype:
        raise RuntimeError(f"{operation}: result type {result.dtype} can't be cast to the output type {out.dtype}")
    if result.device != out.device:
        raise RuntimeError(f"{operation}: expected out on {result.device}, but got it on {out.device}")
    with no_grad():
        if out.shape != result.shape:
            resize_(out, result.shape)
        return write(out, result)


def _names(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
