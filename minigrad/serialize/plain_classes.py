"""The classes beyond numbers and lists that a checkpoint may hold: containers, paths, NumPy's arrays and types.

Each is built from arguments that are checked here, so that a file can make nothing else of them. PyTorch's own, the
tensors, stand in pytorch.py.
"""

from __future__ import annotations

import argparse
import datetime
import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from minigrad.serialize.plain_pickle import Global, Skipped, Unfinished

# What protocol 2, NumPy 1 and later Pythons call the same modules.
MODULES = {
    "__builtin__": "builtins",
    "pathlib._local": "pathlib",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}

PYTHON_2 = {"long": "int", "unicode": "str", "xrange": "range"}

# Classes that stand in a pickle without being called: what a defaultdict makes, an array's scalar type.
BUILTIN_TYPES = {kind.__name__: kind for kind in (int, float, str, bool, list, dict, tuple)}
FACTORIES = {kind.__name__: kind for kind in (bytearray, bytes, complex, frozenset, set, Counter, OrderedDict, deque)}
SCALAR_TYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool_", "bool")


def find(module: str, name: str) -> Any:
    """The class, function or type of that name, or None if it is not one of those here."""
    module = MODULES.get(module, module)
    if module == "builtins":
        name = PYTHON_2.get(name, name)
    if (module, name) in BUILD:
        return Global(name, BUILD[module, name])
    if module == "builtins":
        return BUILTIN_TYPES.get(name)
    if module == "numpy" and name in SCALAR_TYPES:
        return getattr(np, name)
    return np.ndarray if (module, name) == ("numpy", "ndarray") else None


def encode_text(text: str, encoding: str) -> bytes:
    """What protocol 2 writes for bytes: a call of `_codecs.encode`, whose only honest encoding is latin1."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are written as latin1, not {encoding!r}")
    return text.encode("latin1")


def _bytearray(content: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(content, str):
        content = encode_text(content, encoding)
    if not isinstance(content, bytes):
        raise ValueError(f"a bytearray is made of bytes, not of {type(content).__name__}")
    return bytearray(content)


def _of_items(kind: Callable[..., Any]) -> Callable[..., Any]:
    def build(items: Iterable[Any] = ()) -> Any:
        if not isinstance(items, (list, tuple, dict)):
            raise ValueError(f"a container's items are a {type(items).__name__}")
        return kind(items)

    return build


def _deque(items: Iterable[Any] = (), maxlen: int | None = None) -> deque[Any]:
    return deque(_of_items(list)(items), maxlen)


def _defaultdict(factory: Any = None, items: Iterable[Any] = ()) -> defaultdict[Any, Any]:
    if isinstance(factory, Skipped):
        factory = None
    elif isinstance(factory, Global):
        factory = FACTORIES[factory.name]
    elif factory is not None and factory not in BUILTIN_TYPES.values():
        raise ValueError(f"a defaultdict cannot make a {factory!r}")
    return defaultdict(factory, _of_items(list)(items))


def _with_attributes(kind: Callable[[], Any]) -> Callable[[], Unfinished]:
    """For an object that is nothing but its attributes."""

    def finish(state: Any) -> Any:
        built = kind()
        vars(built).update({str(name): value for name, value in state.items()})
        return built

    return lambda: Unfinished(finish)


def _fraction(numerator: Any, denominator: Any = 1) -> Fraction:
    """Of whole numbers, or of "3/4": Fraction itself would write "1e999999999" out."""
    if isinstance(numerator, str) and not re.fullmatch(r"-?\d{1,1000}(/\d{1,1000})?", numerator):
        raise ValueError(f"{numerator[:20]!r} is not a fraction")
    return Fraction(numerator) if denominator == 1 else Fraction(numerator, denominator)


def _path(*parts: str) -> Path:
    return Path(*map(str, parts))


def _pure_path(*parts: str) -> PurePath:
    return PurePath(*map(str, parts))


def _dtype(spec: Any, align: bool = False, copy: bool = False) -> Unfinished:
    """NumPy's dtypes of plain elements; the state that follows says the order of their bytes."""
    kind = np.dtype(spec) if isinstance(spec, type) else None
    if kind is None and not (isinstance(spec, str) and re.fullmatch(r"[?biufcOSU]\d*", spec)):
        raise ValueError(f"{spec!r} is not a dtype of plain elements")
    dtype = kind or np.dtype(spec)
    return Unfinished(lambda state: dtype.newbyteorder(state[1]))


def _reconstruct(kind: Any, shape: tuple[int, ...], code: bytes) -> Unfinished:
    """NumPy's way to pickle an array: an empty one, and the state of the real one."""
    return Unfinished(lambda state: _array(state[4], *state[1:4]))


def _array(content: Any, shape: tuple[int, ...], dtype: np.dtype, columns_first: bool) -> np.ndarray:
    order: Literal["C", "F"] = "F" if columns_first else "C"
    content = content.encode("latin1") if isinstance(content, str) else content  # Python 2 had no bytes
    if not dtype.hasobject:
        return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order="K")
    array = np.empty(len(content), object)
    array[:] = content
    return array.reshape(shape, order=order)


def _from_buffer(content: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Protocol 5's way."""
    return _array(bytes(content), shape, dtype, order == "F")


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    return np.frombuffer(content, dtype, 1)[0]


BUILD: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): encode_text,
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "bytes"): lambda: b"",  # protocol 2's for no bytes
    ("builtins", "complex"): complex,
    ("builtins", "frozenset"): _of_items(frozenset),
    ("builtins", "range"): range,
    ("builtins", "set"): _of_items(set),
    ("builtins", "slice"): slice,
    ("collections", "Counter"): _of_items(Counter),
    ("collections", "OrderedDict"): _of_items(OrderedDict),
    ("collections", "defaultdict"): _defaultdict,
    ("collections", "deque"): _deque,
    ("argparse", "Namespace"): _with_attributes(argparse.Namespace),
    ("types", "SimpleNamespace"): _with_attributes(types.SimpleNamespace),
    ("datetime", "date"): datetime.date,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("decimal", "Decimal"): Decimal,
    ("fractions", "Fraction"): _fraction,
    ("numpy", "dtype"): _dtype,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}
BUILD.update({("pathlib", name): _path for name in ("Path", "PosixPath", "WindowsPath")})
BUILD.update({("pathlib", name): _pure_path for name in ("PurePath", "PurePosixPath", "PureWindowsPath")})
