"""Comparisons, tests of single values, and logic: results are boolean tensors without a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.observer import observed, observers
from minigrad.ops.arguments import check_same_device, check_tensor, operands
from minigrad.tensor import Tensor, from_array

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "ne",
]


def _comparison(name: str, compare: Callable[..., Any], symbol: str) -> Any:
    def function(input: Any, other: Any) -> Tensor:
        x, y = operands(name, check_tensor(name, "input", input), other)
        result = from_array(compare(*[o.array if isinstance(o, Tensor) else o for o in (x, y)]))
        return observed(name, (x, y), result) if observers else result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Compare element by element: ``input {symbol} other``, as a boolean tensor.

Args:
    input: a tensor.
    other: a tensor or a number; the shapes broadcast.

Raises:
    RuntimeError: the shapes do not broadcast, or the devices differ.

Examples:
    >>> mg.{name}(mg.tensor([1, 2, 3]), 2).tolist()
    {compare([1, 2, 3], 2).tolist()}
"""
    return function


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _bitwise(name: str, ufunc: Callable[..., Any], symbol: str) -> Any:
    def function(input: Any, other: Any) -> Tensor:
        x, y = operands(name, input, other)
        for operand in (x, y):
            if isinstance(operand, float) or (isinstance(operand, Tensor) and operand.dtype.kind == "f"):
                raise RuntimeError(f"{name}: expected boolean or integer tensors, got a floating point operand")
        if "shift" in name and (x if isinstance(x, Tensor) else y).dtype.kind == "b":
            raise RuntimeError(f"{name}: booleans have no bits to shift; convert them with .int()")
        result = from_array(ufunc(*[o.array if isinstance(o, Tensor) else o for o in (x, y)]))
        return observed(name, (x, y), result) if observers else result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Combine bit by bit: ``input {symbol} other``.

Args:
    input, other: boolean or integer tensors, or one tensor and a number; the shapes broadcast.

Raises:
    RuntimeError: an operand is floating-point, the shapes do not broadcast, or the devices differ.

Examples:
    >>> mg.{name}(mg.tensor([0, 1, 6]), 3).tolist()
    {ufunc([0, 1, 6], 3).tolist()}
"""
    return function


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "&")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "|")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "^")
bitwise_left_shift = _bitwise("bitwise_left_shift", np.left_shift, "<<")
bitwise_right_shift = _bitwise("bitwise_right_shift", np.right_shift, ">>")


def bitwise_not(input: Tensor) -> Tensor:
    """Negate every bit of `input`: logical not for booleans, the complement for integers.

    Raises:
        RuntimeError: the input is floating-point.

    Examples:
        >>> ~mg.tensor([True, False]), ~mg.tensor([0, 1])
        (tensor([False,  True]), tensor([-1, -2]))
    """
    check_tensor("bitwise_not", "input", input)
    if input.dtype.kind == "f":
        raise RuntimeError(f"bitwise_not: expected a boolean or integer tensor, got {input.dtype}")
    result = from_array(np.invert(input.array))
    return observed("bitwise_not", (input,), result) if observers else result


def logical_not(input: Tensor) -> Tensor:
    """Return a boolean tensor, true where the element of `input` is 0.

    Examples:
        >>> mg.logical_not(mg.tensor([0.0, 2.0]))
        tensor([ True, False])
    """
    result = from_array(np.logical_not(check_tensor("logical_not", "input", input).array))
    return observed("logical_not", (input,), result) if observers else result


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Return a boolean tensor, true where both elements are nonzero.

    Args:
        input, other: tensors whose shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.logical_and(mg.tensor([0, 1, 2]), mg.tensor([1, 0, 3]))
        tensor([False, False,  True])
    """
    return logical_not(logical_not(input)) & logical_not(logical_not(other))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Return a boolean tensor, true where at least one element is nonzero.

    Args:
        input, other: tensors whose shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.logical_or(mg.tensor([0, 1, 0]), mg.tensor([1, 0, 0]))
        tensor([ True,  True, False])
    """
    return logical_not(logical_not(input)) | logical_not(logical_not(other))


def isnan(input: Tensor) -> Tensor:
    """Return a boolean tensor, true where the element of `input` is NaN.

    Examples:
        >>> mg.isnan(mg.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """
    result = from_array(np.isnan(check_tensor("isnan", "input", input).array))
    return observed("isnan", (input,), result) if observers else result


def isinf(input: Tensor) -> Tensor:
    """Return a boolean tensor, true where the element of `input` is plus or minus infinity.

    Examples:
        >>> mg.isinf(mg.tensor([1.0, -float("inf")]))
        tensor([False,  True])
    """
    result = from_array(np.isinf(check_tensor("isinf", "input", input).array))
    return observed("isinf", (input,), result) if observers else result


def isfinite(input: Tensor) -> Tensor:
    """Return a boolean tensor, true where the element of `input` is neither infinite nor NaN.

    Examples:
        >>> mg.isfinite(mg.tensor([1.0, float("inf"), float("nan")]))
        tensor([ True, False, False])
    """
    result = from_array(np.isfinite(check_tensor("isfinite", "input", input).array))
    return observed("isfinite", (input,), result) if observers else result


def equal(input: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors have the same shape and the same elements.

    Args:
        input, other: tensors of any shape and dtype; NaN equals nothing.

    Raises:
        RuntimeError: the devices differ.

    Examples:
        >>> mg.equal(mg.tensor([1, 2]), mg.tensor([1, 2])), mg.equal(mg.tensor([1]), mg.tensor([[1]]))
        (True, False)
    """
    check_tensor("equal", "input", input)
    check_tensor("equal", "other", other)
    check_same_device("equal", input, other)
    return bool(np.array_equal(input.array, other.array))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Tell whether |input - other| <= atol + rtol |other| holds for all elements.

    Args:
        input, other: tensors whose shapes broadcast.
        rtol, atol: the relative and the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Raises:
        RuntimeError: the devices differ.

    Examples:
        >>> mg.allclose(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.00001]))
        True
    """
    check_tensor("allclose", "input", input)
    check_tensor("allclose", "other", other)
    check_same_device("allclose", input, other)
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Return a boolean tensor, true where |input - other| <= atol + rtol |other|.

    Args:
        input, other: tensors whose shapes broadcast.
        rtol, atol: the relative and the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Raises:
        RuntimeError: a tolerance is negative, or the devices differ.

    Examples:
        >>> mg.isclose(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    check_tensor("isclose", "input", input)
    check_tensor("isclose", "other", other)
    check_same_device("isclose", input, other)
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(f"isclose: rtol and atol must be greater than or equal to zero, got {rtol} and {atol}")
    result = from_array(np.isclose(input.array, other.array, rtol, atol, equal_nan))
    return observed("isclose", (input, other, rtol, atol, equal_nan), result) if observers else result
