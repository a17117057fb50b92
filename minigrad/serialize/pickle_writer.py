"""Values as pickles of protocol 2, which every PyTorch reads; tensors are left to the caller.

Plain values become the few instructions that `torch.load(weights_only=True)` reads too. Any other object is written as
Python's own pickle does it: by what its `__reduce_ex__` says. An object that occurs twice is written once.
"""

from __future__ import annotations

import copyreg
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from pickle import encode_long
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from minigrad.device import device
from minigrad.dtypes import SUPPORTED
from minigrad.tensor import Tensor

# What reads protocol 2 may be as old as Python 2, and knows the builtins under their old name.
BUILTINS = "__builtin__"


def write(obj: Any) -> list[bytes | Tensor]:
    """The program that builds `obj`: bytes, and tensors where the instructions that build them are to stand.

    Errors: TypeError, one line, for what cannot be pickled; ValueError for a tuple that holds itself.
    """
    writer = _Writer()
    writer.save(obj, "")
    return [b"\x80\x02", *writer.program, b"."]


def plain(value: Any) -> bytes:
    """The instructions that leave a number, string, None or a tuple of them on the stack."""
    writer = _Writer(memo=False)
    writer.save(value, "")
    return b"".join(writer.program)  # type: ignore[arg-type]


def refer(module: str, name: str) -> bytes:
    """The instruction that names a class or function."""
    return f"c{module}\n{name}\n".encode()


def call(module: str, name: str, arguments: tuple[Any, ...]) -> bytes:
    """The instructions that name a function and call it with plain arguments."""
    return refer(module, name) + plain(arguments) + b"R"


class _Writer:
    def __init__(self, memo: bool = True):
        self.program: list[bytes | Tensor] = []
        self.in_array = False  # among the parts of one of NumPy's arrays
        self.inside: list[int] = []  # the ids of the objects around the value
        # id: (number, the object, which must live as long as its id is in use)
        self.memo: dict[int, tuple[int, Any]] | None = {} if memo else None

    def save(self, obj: Any, place: str) -> None:
        """Write the instructions that leave `obj` on the stack; `place` says where it is, as in "['model']"."""
        if isinstance(obj, np.generic):
            obj = obj.item()  # a plain number, which PyTorch reads
        literal = refer("torch", str(obj)) if self._is_torch_dtype(obj) else _literal(obj)
        if literal is not None:
            self.program.append(literal)
            return
        if self.memo is not None and id(obj) in self.memo:
            self.program.append(b"j" + struct.pack("<I", self.memo[id(obj)][0]))
            return
        if id(obj) in self.inside:  # lists, dicts and objects are in the memo before their parts: this is a tuple
            raise ValueError(f"save: the tuple at obj{place} contains itself")
        self.inside.append(id(obj))
        self._build(obj, place)
        self.inside.pop()

    def _is_torch_dtype(self, obj: Any) -> bool:
        """True for a dtype of the engine, which is PyTorch's in the file; an array's own stays NumPy's."""
        return isinstance(obj, np.dtype) and obj in SUPPORTED and not self.in_array

    def _remember(self, obj: Any) -> None:
        """Number the object that now lies on the stack, so that it is written once."""
        if self.memo is not None:
            self.program.append(b"r" + struct.pack("<I", len(self.memo)))
            self.memo[id(obj)] = len(self.memo), obj

    def _build(self, obj: Any, place: str) -> None:
        kind = type(obj)
        if kind is tuple:
            self._items(b"(", enumerate(obj), b"t", place)
            self._remember(obj)
        elif kind is list:
            self.program.append(b"]")
            self._remember(obj)
            self._items(b"(", enumerate(obj), b"e", place)
        elif kind in (dict, OrderedDict):
            self.program.append(b"}" if kind is dict else call("collections", "OrderedDict", ()))
            self._remember(obj)
            self._pairs(obj.items(), place)
        elif isinstance(obj, Tensor):
            self.program.append(obj)
            self._remember(obj)
        elif isinstance(obj, device):
            self.program.append(call("torch", "device", (str(obj),)))
        elif isinstance(obj, (type, FunctionType, BuiltinFunctionType)):
            self.program.append(self._global(obj, place))
        else:
            outer, self.in_array = self.in_array, isinstance(obj, np.ndarray)
            self._reduce(obj, place)
            self.in_array = outer

    def _items(self, start: bytes, items: Any, end: bytes, place: str) -> None:
        self.program.append(start)
        for key, value in items:
            self.save(value, f"{place}[{key!r}]")
        self.program.append(end)

    def _pairs(self, pairs: Any, place: str) -> None:
        self.program.append(b"(")
        for key, value in pairs:
            self.save(key, place)
            self.save(value, f"{place}[{key!r}]")
        self.program.append(b"u")

    def _reduce(self, obj: Any, place: str) -> None:
        """Any other object, by the function, arguments, state, items and pairs that make it (`__reduce_ex__`)."""
        try:
            reducer: Callable[[Any], Any] = copyreg.dispatch_table.get(type(obj), lambda obj: obj.__reduce_ex__(2))
            reduced = reducer(obj)
        except Exception as error:
            raise TypeError(f"{_cannot(obj, place)}: {str(error).partition(chr(10))[0]}{_hint(obj)}") from None
        if isinstance(reduced, str):
            self.program.append(self._global(obj, place, reduced))
            return
        function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if function is copyreg.__newobj__:  # type: ignore[attr-defined]
            kind, *arguments = arguments
            self.program.append(self._global(kind, place))
            self.save(tuple(arguments), place)
            self.program.append(b"\x81")
        else:
            self.save(function, place)
            self.save(tuple(arguments), place)
            self.program.append(b"R")
        self._remember(obj)
        if items is not None:
            self._items(b"(", enumerate(items), b"e", place)
        if pairs is not None:
            self._pairs(pairs, place)
        if state is not None:
            self.save(state, place)
            self.program.append(b"b")

    def _global(self, obj: Any, place: str, name: str | None = None) -> bytes:
        """A class or function, which whoever reads the file must be able to import under its name."""
        name = name or obj.__qualname__
        module = getattr(obj, "__module__", None) or type(obj).__module__
        if getattr(sys.modules.get(module), name, None) is not obj:
            raise TypeError(f"{_cannot(obj, place)}: {module}.{name} is not at the top of a module{_hint(obj)}")
        return refer(BUILTINS if module == "builtins" else module, name)


def _literal(obj: Any) -> bytes | None:
    """The instructions for a value that has no parts; None for any other."""
    if type(obj) is bool:
        return b"\x88" if obj else b"\x89"
    if type(obj) is int:
        if -(2**31) <= obj < 2**31:
            return b"J" + struct.pack("<i", obj)
        digits = encode_long(obj)
        head = b"\x8a" + bytes([len(digits)]) if len(digits) < 256 else b"\x8b" + struct.pack("<i", len(digits))
        return head + digits
    if type(obj) is float:
        return b"G" + struct.pack(">d", obj)
    if type(obj) is str:
        text = obj.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if type(obj) is bytes:  # protocol 2 has no bytes: they travel as text
        return call("_codecs", "encode", (obj.decode("latin1"), "latin1"))
    return b"N" if obj is None else None


def _cannot(obj: Any, place: str) -> str:
    return f"save: obj{place} is a {type(obj).__name__}, which cannot be pickled"


def _hint(obj: Any) -> str:
    return "; pass its state_dict()" if hasattr(obj, "state_dict") else ""
