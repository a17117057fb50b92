"""`torch.testing`: whether results are close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.tensor import Tensor
from minigrad.torch.facade import face

# (rtol, atol) of each type; all others must be equal.
TOLERANCES = {mg.float16: (1e-3, 1e-5), mg.float32: (1.3e-6, 1e-5), mg.float64: (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """AssertionError unless |actual - expected| <= atol + rtol * |expected|, in sequences and mappings too.

    The tolerances default to those of the type. `allow_subclasses` and `check_layout` have no meaning here.
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol and atol must be given both, or neither")
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    fault = _fault(actual, expected, tolerances, equal_nan, check_device, check_dtype, check_stride)
    if fault is not None:
        raise AssertionError(fault if msg is None else msg(fault) if callable(msg) else msg)


def _fault(actual: Any, expected: Any, tolerances: tuple[float, float] | None, *checks: bool) -> str | None:
    """What is wrong between two results, or None."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(set(expected) - set(actual))}\n"
                f"Additional keys in the actual mapping: {sorted(set(actual) - set(expected))}"
            )
        return _first_fault([(key, actual[key], expected[key]) for key in actual], tolerances, checks)
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        items = [(index, *pair) for index, pair in enumerate(zip(actual, expected, strict=True))]
        return _first_fault(items, tolerances, checks)
    if isinstance(actual, Number | np.bool_) and isinstance(expected, Number | np.bool_):
        first, second = (mg.tensor(value, dtype=_type_of(value)) for value in (actual, expected))
        return _difference("Scalars", first, second, tolerances, *checks)
    if all([isinstance(value, Tensor | np.ndarray) for value in (actual, expected)]):
        return _difference("Tensor-likes", mg.as_tensor(actual), mg.as_tensor(expected), tolerances, *checks)
    raise TypeError(f"assert_close: cannot compare {type(actual).__name__} with {type(expected).__name__}")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _type_of(number: Any) -> Any:
    return mg.bool_ if isinstance(number, bool | np.bool_) else mg.int64 if isinstance(number, int) else mg.float64


def _first_fault(items: list[Any], tolerances: Any, checks: tuple[bool, ...]) -> str | None:
    for where, actual, expected in items:
        fault = _fault(actual, expected, tolerances, *checks)
        if fault is not None:
            return f"{fault}\n\nThe failure occurred for item [{where!r}]"
    return None


def _difference(
    kind: str,
    actual: Tensor,
    expected: Tensor,
    tolerances: tuple[float, float] | None,
    equal_nan: bool,
    check_device: bool,
    check_dtype: bool,
    check_stride: bool,
) -> str | None:
    checked = {"shape": True, "device": check_device, "dtype": check_dtype and kind != "Scalars"}
    for name in [name for name, wanted in checked.items() if wanted]:
        first, second = getattr(actual, name), getattr(expected, name)
        if first != second:
            return f"The values for attribute {name!r} do not match: {first} != {second}."
    if check_stride and actual.stride() != expected.stride():
        return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
    if tolerances is None:
        both = [TOLERANCES.get(tensor.dtype, (0.0, 0.0)) for tensor in (actual, expected)]
        tolerances = max(both[0][0], both[1][0]), max(both[0][1], both[1][1])
    rtol, atol = tolerances
    common = mg.promote_types(actual.dtype, expected.dtype)
    a, b = (tensor.detach().cpu().numpy().astype(common) for tensor in (actual, expected))
    if common.kind != "f" and rtol == atol == 0:
        close = a == b
    else:
        close = np.isclose(a.astype(np.float64), b.astype(np.float64), rtol, atol, equal_nan)
    if close.all():
        return None
    if common.kind != "f":
        a, b = a.astype(np.int64), b.astype(np.int64)
    with np.errstate(all="ignore"):
        absolute = np.where(close, 0, np.abs(a - b))
        relative = np.where(close, 0, absolute / np.abs(b))
    relative = relative.astype(common if common.kind == "f" else mg.get_default_dtype())
    equal = "equal" if rtol == atol == 0 else "close"
    lines = [f"{kind} are not {equal}!", ""]
    if kind == "Scalars":
        lines.append(f"Expected {expected.item()} but got {actual.item()}.")
        lines.append(f"Absolute difference: {absolute.item()} (up to {atol:g} allowed)")
        lines.append(f"Relative difference: {relative.item()} (up to {rtol:g} allowed)")
        return "\n".join(lines)
    count = int((~close).sum())
    lines.append(f"Mismatched elements: {count} / {close.size} ({count / close.size:.1%})")
    for name, values, allowed in (("absolute", absolute, atol), ("relative", relative, rtol)):
        place = tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))
        suffix = "" if equal == "equal" else f" (up to {allowed:g} allowed)"
        lines.append(f"Greatest {name} difference: {values[place].item()} at index {place}{suffix}")
    return "\n".join(lines)


__all__ = ["assert_close"]
__getattr__, __dir__ = face(__name__)
