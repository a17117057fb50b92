"""Checks of arguments, before any work is done: an error is one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np

from minigrad import dtypes
from minigrad.kernels import assertions
from minigrad.tensor import Tensor, from_array

Operation = TypeVar("Operation", bound=Callable[..., Any])
Pair = tuple[int, int]  # along height and width
IntOrPair = int | Sequence[int]


def check_tensor(operation: str, name: str, value: Any) -> Tensor:
    """`value`, if it is a tensor; TypeError otherwise."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{operation}: argument '{name}' must be Tensor, not {type(value).__name__}")
    return value


def check_number(operation: str, name: str, value: Any) -> Any:
    """`value`, if it is a number; TypeError otherwise."""
    if not isinstance(value, Real):
        raise TypeError(f"{operation}: argument '{name}' must be a number, not {type(value).__name__}")
    return value


def check_floating(operation: str, name: str, value: Any) -> Tensor:
    """`value`, if it is a tensor of floating-point numbers."""
    check_tensor(operation, name, value)
    if value.dtype.kind != "f":  # not by its array, which may not be there yet
        raise RuntimeError(f"{operation}: argument '{name}' must be a floating point tensor, got {value.dtype}")
    return value


def check_same_device(operation: str, *tensors: Tensor) -> None:
    """RuntimeError if the tensors lie on different devices."""
    kind = type(tensors[0].array) if tensors else None
    for tensor in tensors:
        if type(tensor.array) is not kind:
            where = [str(tensor.device) for tensor in tensors]
            if len(set(where)) > 1:
                raise RuntimeError(
                    f"{operation}: expected all tensors to be on the same device, got {', '.join(where)}; "
                    "use .to(device)"
                )


def check_positions(operation: str, positions: Any, dim: int, low: int, size: int) -> None:
    """IndexError for a position outside [low, size); on a GPU at the next synchronisation."""
    where = f"is out of bounds for dimension {dim} with size {size}"
    if not isinstance(positions, np.ndarray):
        assertions.expect_range(positions, low, size - 1, IndexError, f"{operation}index {{value}} {where}")
    elif positions.size and not (low <= positions.min() and positions.max() < size):
        wrong = positions[(positions < low) | (positions >= size)].flat[0]
        raise IndexError(f"{operation}index {wrong} {where}")


def expect_none(wrong: Any, message: str) -> None:
    """RuntimeError if a boolean or one of an array of them is True; on a GPU at the next synchronisation."""
    if not isinstance(wrong, np.ndarray | np.bool_ | bool):
        assertions.expect_none(wrong, RuntimeError, message)
    elif np.any(wrong):
        raise RuntimeError(message)


def floating(operation: str, value: Any) -> Tensor:
    """`value` as floating-point numbers: integers and booleans become the default dtype, as in PyTorch."""
    check_tensor(operation, "input", value)
    return value if value.array.dtype.kind == "f" else value.to(dtypes.get_default_dtype())


def in_float32(function: Operation) -> Operation:
    """Let `function` compute in float32 what it is given in float16, and round once, in the end.

    float16 is a format to store numbers in: in a sum of it digits are lost, and above 65,504 all is infinite.
    The result has the dtype that it would have had: float16 if no other floating dtype came, and none was asked for.
    """

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        floats = [a.dtype.char for a in (*args, *kwargs.values()) if isinstance(a, Tensor) and a.dtype.kind == "f"]
        narrow = "e" in floats and len(set(floats)) == 1
        if kwargs.get("dtype") is not None:
            narrow = dtypes.check_dtype(function.__name__, kwargs["dtype"]) == dtypes.float16
            kwargs["dtype"] = dtypes.float32 if narrow else kwargs["dtype"]
        if not narrow and "e" not in floats:
            return function(*args, **kwargs)
        result = function(
            *[_cast(a, dtypes.float16, dtypes.float32) for a in args],
            **{name: _cast(a, dtypes.float16, dtypes.float32) for name, a in kwargs.items()},
        )
        return _cast(result, dtypes.float32, dtypes.float16) if narrow else result

    return cast(Operation, wrapper)


def _cast(value: Any, source: np.dtype, target: np.dtype) -> Any:
    """A tensor of the dtype `source` as one of `target`; all else as it is."""
    return value.to(target) if isinstance(value, Tensor) and value.dtype == source else value


def operands(operation: str, input: Any, other: Any, quotient: bool = False) -> tuple[Any, Any]:
    """Two operands of one arithmetic operation: tensors of the common dtype; a Python number stays a number.

    The dtype is PyTorch's `result_type`; for a `quotient`, of integers too, a floating-point one.
    """
    if isinstance(input, np.ndarray | np.generic):
        input = _from_numpy(input)
    if isinstance(other, np.ndarray | np.generic):
        other = _from_numpy(other)
    first, second = isinstance(input, Tensor), isinstance(other, Tensor)
    if first and second:
        a, b = input.array, other.array
        dtype = a.dtype if a.dtype == b.dtype else dtypes.result_type(a, b)
        if quotient and dtype.kind != "f":
            dtype = dtypes.get_default_dtype()
        if a.dtype != dtype:
            input = input.to(dtype)
        if b.dtype != dtype:
            other = other.to(dtype)
        if type(a) is not type(b):
            input, other = _on_one_device(operation, input, other)
        if a.shape != b.shape:
            broadcast_shapes(operation, a.shape, b.shape)
        return input, other
    if not first and not second:
        raise TypeError(f"{operation}: expected a Tensor, got {type(input).__name__} and {type(other).__name__}")
    tensor, number = (input, other) if first else (other, input)
    if not isinstance(number, int | float):
        name = "other" if first else "input"
        raise TypeError(f"{operation}: argument '{name}' must be Tensor or a number, not {type(number).__name__}")
    dtype = dtypes.result_type(tensor.array, number)
    if quotient and dtype.kind != "f":
        dtype = dtypes.get_default_dtype()
    if dtype != tensor.array.dtype:
        tensor = tensor.to(dtype)
    if dtype.kind in "iu":
        # A number out of the tensor's range wraps around, as in PyTorch; NumPy would raise.
        number = np.array(int(number)).astype(dtype)[()]
    return (tensor, number) if first else (number, tensor)


def _on_one_device(operation: str, input: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two tensors of different devices: a 0-d one of the CPU goes to the other; else RuntimeError. As in PyTorch."""
    if input.ndim == 0 and not input.is_cuda:
        return input.to(other.device), other
    if other.ndim == 0 and not other.is_cuda:
        return input, other.to(input.device)
    check_same_device(operation, input, other)
    return input, other


def beside(array: Any, like: Any) -> Any:
    """`array` for an operation with `like`: a number in the host's memory goes as an argument, not as an array."""
    return array if type(array) is type(like) or array.ndim else array[()]


def _from_numpy(array: Any) -> Any:
    return array.item() if isinstance(array, np.generic) else from_array(array)


def number(operation: str, value: Any, dtype: np.dtype) -> Tensor:
    """A number as a 0-d tensor; RuntimeError if the dtype cannot hold it (-1 as uint8 is 255)."""
    value = value.item() if isinstance(value, np.generic | Tensor) else value
    if not isinstance(value, int | float):
        raise TypeError(f"{operation}: expected a number or a Tensor, got {type(value).__name__}")
    if dtype.kind in "iu":
        largest = int(np.iinfo(dtype).max)
        overflow = not -largest - (dtype.kind == "i") <= value <= largest or (dtype.kind == "u" and -1 < value < 0)
        value = value if overflow else int(value)
    else:
        overflow = dtype.kind == "f" and math.isfinite(value) and abs(value) > np.finfo(dtype).max
    if overflow:
        raise RuntimeError(f"{operation}: value {value} cannot be converted to type {dtype} without overflow")
    return from_array(np.asarray(value).astype(dtype))


def broadcast_shapes(operation: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that the shapes broadcast to; RuntimeError with the first dimension that does not fit."""
    ndim = max((len(shape) for shape in shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for dim in range(-len(shape), 0):
            if shape[dim] != 1:
                if result[dim] not in (1, shape[dim]):
                    raise RuntimeError(
                        f"{operation}: the shapes {' and '.join(str(list(s)) for s in shapes)} do not broadcast: "
                        f"sizes {result[dim]} and {shape[dim]} at dimension {dim % ndim} must be equal or 1"
                    )
                result[dim] = shape[dim]
    return tuple(result)


def dimension(operation: str, dim: Any, ndim: int) -> int:
    """`dim` counted from the front; IndexError if the tensor has no such dimension."""
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        if isinstance(dim, Tensor) and dim.ndim == 0 and dim.array.dtype.kind in "iu":
            dim = int(dim)
        else:
            raise TypeError(f"{operation}: argument 'dim' must be int, not {type(dim).__name__}")
    size = max(ndim, 1)  # a 0-d tensor may be reduced over dim 0 and -1
    if not -size <= dim < size:
        raise IndexError(
            f"{operation}: dimension out of range (expected to be in [{-size}, {size - 1}], but got {dim})"
        )
    return int(dim) % size


def dimensions(operation: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """One or several dimensions, or all for None and (), counted from the front, each named once."""
    if dim is None or (isinstance(dim, Sequence) and len(dim) == 0):
        return tuple(range(ndim))
    dims = [dimension(operation, d, ndim) for d in (dim if isinstance(dim, Sequence) else (dim,))]
    if len(set(dims)) != len(dims):
        raise RuntimeError(
            f"{operation}: dim {max(d for d in dims if dims.count(d) > 1)} appears multiple times in {dim}"
        )
    return tuple(d for d in dims if d < ndim)


def sizes(operation: str, args: Sequence[Any]) -> tuple[int, ...]:
    """A shape given as separate integers or as one sequence: ``x.view(2, 3)`` and ``x.view((2, 3))``."""
    shape = args[0] if len(args) == 1 and isinstance(args[0], Sequence) else args
    for size in shape:
        if isinstance(size, bool) or not (hasattr(size, "__index__")):
            raise TypeError(f"{operation}: sizes must be integers, got {type(size).__name__}")
    return tuple([size.__index__() for size in shape])


def takes_sizes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the second parameter, a sequence of integers, be given as separate ones too: ``x.permute(1, 0)``."""
    operation = function.__name__

    @wraps(function)
    def wrapper(input: Tensor, *separate: Any, **named: Any) -> Any:
        check_tensor(operation, "input", input)
        if named:
            return function(input, *separate, **{name: sizes(operation, (value,)) for name, value in named.items()})
        return function(input, sizes(operation, separate))

    return wrapper


def pair(operation: str, name: str, value: Any, minimum: int = 0) -> Pair:
    """An int, or two for height and width, of at least `minimum`."""
    # The usual cases, without delay.
    if type(value) is tuple and len(value) == 2:
        height, width = value
        if type(height) is int is type(width) and height >= minimum <= width:
            return value
    if type(value) is int and value >= minimum:
        return value, value
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2 or any([isinstance(v, bool) or not isinstance(v, int | np.integer) for v in values]):
        raise TypeError(f"{operation}: {name} must be an int or a pair of ints, got {value!r}")
    if min(values) < minimum:
        raise RuntimeError(f"{operation}: {name} must be at least {minimum}, got {value!r}")
    return int(values[0]), int(values[1])
