"""Comparisons, tests of single values, and logic: results are boolean tensors without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.arguments import check_same_device, check_tensor, operands
from minigrad.tensor import Tensor, from_array

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
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


def _comparison(name: str, compare, symbol: str):
    def function(input: Any, other: Any) -> Tensor:
        x, y = operands(name, check_tensor(name, "input", input), other)
        return from_array(compare(*[o.array if isinstance(o, Tensor) else o for o in (x, y)]))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"input {symbol} other for each pair of elements, broadcast."
    return function


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _bitwise(name: str, ufunc):
    def function(input: Any, other: Any) -> Tensor:
        x, y = operands(name, input, other)
        for operand in (x, y):
            if isinstance(operand, float) or (isinstance(operand, Tensor) and operand.dtype.kind == "f"):
                raise RuntimeError(f"{name}: expected boolean or integer tensors, got a floating point operand")
        return from_array(ufunc(*[o.array if isinstance(o, Tensor) else o for o in (x, y)]))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name} of boolean or integer tensors, broadcast."
    return function


bitwise_and = _bitwise("bitwise_and", np.bitwise_and)
bitwise_or = _bitwise("bitwise_or", np.bitwise_or)
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor)


def bitwise_not(input: Tensor) -> Tensor:
    """not input for booleans, the complement for integers."""
    check_tensor("bitwise_not", "input", input)
    if input.dtype.kind == "f":
        raise RuntimeError(f"bitwise_not: expected a boolean or integer tensor, got {input.dtype}")
    return from_array(np.invert(input.array))


def logical_not(input: Tensor) -> Tensor:
    """True where the element is zero."""
    return from_array(np.logical_not(check_tensor("logical_not", "input", input).array))


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """True where both elements are nonzero."""
    return logical_not(logical_not(input)) & logical_not(logical_not(other))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """True where at least one element is nonzero."""
    return logical_not(logical_not(input)) | logical_not(logical_not(other))


def isnan(input: Tensor) -> Tensor:
    """True where the element is NaN."""
    return from_array(np.isnan(check_tensor("isnan", "input", input).array))


def isinf(input: Tensor) -> Tensor:
    """True where the element is plus or minus infinity."""
    return from_array(np.isinf(check_tensor("isinf", "input", input).array))


def isfinite(input: Tensor) -> Tensor:
    """True where the element is neither infinite nor NaN."""
    return from_array(np.isfinite(check_tensor("isfinite", "input", input).array))


def equal(input: Tensor, other: Tensor) -> bool:
    """True if the two tensors have the same shape and the same elements."""
    check_tensor("equal", "input", input)
    check_tensor("equal", "other", other)
    check_same_device("equal", input, other)
    return bool(np.array_equal(input.array, other.array))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """True if |input - other| <= atol + rtol |other| for all elements."""
    check_tensor("allclose", "input", input)
    check_tensor("allclose", "other", other)
    check_same_device("allclose", input, other)
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol |other|."""
    check_tensor("isclose", "input", input)
    check_tensor("isclose", "other", other)
    check_same_device("isclose", input, other)
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(f"isclose: rtol and atol must be greater than or equal to zero, got {rtol} and {atol}")
    return from_array(np.isclose(input.array, other.array, rtol, atol, equal_nan))
