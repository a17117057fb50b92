"""Data types: NumPy's, under PyTorch's names, with PyTorch's promotion rules."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "bool_",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "int8",
    "int16",
    "int32",
    "int64",
    "promote_types",
    "set_default_dtype",
    "uint8",
]

float16 = np.dtype("float16")
float32 = np.dtype("float32")
float64 = np.dtype("float64")
uint8 = np.dtype("uint8")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
bool_ = np.dtype("bool")

SUPPORTED = frozenset((float16, float32, float64, uint8, int8, int16, int32, int64, bool_))

# Kinds in rising order: an operand of a higher kind decides the result's kind.
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}

_default = float32


def get_default_dtype() -> np.dtype:
    """Return the floating-point type that Python floats become: float32 until `set_default_dtype`.

    Examples:
        >>> mg.get_default_dtype()
        dtype('float32')
    """
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make `dtype`, float32 or float64, the type that Python floats become.

    Raises:
        TypeError: it is another one.

    Examples:
        >>> mg.set_default_dtype(mg.float64)
        >>> mg.tensor(0.5).dtype
        dtype('float64')
        >>> mg.set_default_dtype(mg.float32)
    """
    global _default
    dtype = np.dtype(dtype)
    if dtype not in (float32, float64):
        raise TypeError(f"set_default_dtype: only float32 and float64 are supported as the default, got {dtype}")
    _default = dtype


def check_dtype(operation: str, dtype: Any) -> np.dtype:
    """`dtype` as a NumPy dtype that the engine has; TypeError with what would fit otherwise."""
    # PyTorch programs pass float, int and bool themselves: float is the default dtype there.
    try:
        dtype = _default if dtype is float else np.dtype(dtype)
    except TypeError:
        raise TypeError(
            f"{operation}: {dtype!r} is not a data type; use one of {sorted(map(str, SUPPORTED))}"
        ) from None
    if dtype not in SUPPORTED:
        raise TypeError(f"{operation}: dtype {dtype} is not supported; use one of {sorted(map(str, SUPPORTED))}")
    return dtype


def is_floating_point(dtype: np.dtype) -> bool:
    """True for float16, float32 and float64."""
    return dtype.kind == "f"


def promote_types(first: Any, second: Any) -> np.dtype:
    """Return the smallest type that holds both kinds: int64 with float32 is float32, as in PyTorch.

    Args:
        first, second: dtypes.

    Examples:
        >>> mg.promote_types(mg.int64, mg.float32), mg.promote_types(mg.uint8, mg.int8)
        (dtype('float32'), dtype('int16'))
    """
    first, second = np.dtype(first), np.dtype(second)
    if first == second:
        return first
    if _RANK[first.kind] != _RANK[second.kind]:
        return max(first, second, key=lambda dtype: _RANK[dtype.kind])
    return np.promote_types(first, second)


def result_type(*operands: Any) -> np.dtype:
    """The type of an arithmetic result over arrays and Python numbers, as `torch.result_type`.

    Arrays with dimensions come first, then 0-d arrays, then Python numbers: a later class changes the type
    only if its kind (bool < integer < floating) is higher, and a Python number then brings the default type.
    """
    dtypes: list[np.dtype | None] = [None, None, None]
    for operand in operands:
        dtype: np.dtype
        if isinstance(operand, bool):
            dtype, priority = bool_, 2
        elif isinstance(operand, int):
            dtype, priority = int64, 2
        elif isinstance(operand, float):
            dtype, priority = _default, 2
        else:
            dtype, priority = operand.dtype, 0 if operand.ndim else 1
        known = dtypes[priority]
        dtypes[priority] = dtype if known is None else promote_types(known, dtype)
    first, *rest = [dtype for dtype in dtypes if dtype is not None]
    for dtype in rest:
        if _RANK[dtype.kind] > _RANK[first.kind]:
            first = dtype
    return first
