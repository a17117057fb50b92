"""Pickles of plain values: numbers, strings, bytes, None, lists, tuples, dicts, and what two hooks let in.

A pickle is a program for a small stack machine, and Python's own machine calls any function that the program
names. The one here reads the same instructions (`pickletools` decodes them) but knows only those that build
plain values; a function runs only when the caller's `find_global` returned it.
"""

from __future__ import annotations

import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pickle import encode_long
from typing import Any, BinaryIO

import numpy as np

MARK = object()  # where on the stack a tuple, or a row of items, begins

# instructions whose argument, decoded, is the value
LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTRUCTORS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "MARK": lambda: MARK,
}


class Global:
    """What a pickle may name: a function that REDUCE may call, or (without one) a mere name."""

    def __init__(self, name: str, build: Callable[..., Any] | None = None):
        self.name = name
        self.build = build


def read(file: BinaryIO, find_global: Callable[[str, str], Global], persistent_load: Callable[[Any], Any]) -> Any:
    """The value of the next pickle in `file`, which is left behind its last instruction.

    `find_global(module, name)` answers for every class or function the pickle names, or raises;
    `persistent_load(key)` gives the objects that lie outside the pickle. Errors: ValueError for an
    instruction that no plain value needs, or for broken bytes.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        start = len(stack) - 1
        while stack[start] is not MARK:
            start -= 1
            if start < 0:
                raise ValueError("a MARK is missing")
        items = stack[start + 1 :]
        del stack[start:]
        return items

    def container(kind: type) -> Any:
        if not isinstance(stack[-1], kind):
            raise ValueError(f"a {kind.__name__}'s items are given to a {type(stack[-1]).__name__}")
        return stack[-1]

    operations: Iterable[tuple[Any, Any, Any]] = pickletools.genops(file)
    for opcode, argument, _ in operations:
        match opcode.name:
            case name if name in LITERALS:
                stack.append(argument)
            case name if name in CONSTRUCTORS:
                stack.append(CONSTRUCTORS[name]())
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                container(list).append(item)
            case "APPENDS":
                items = pop_to_mark()
                container(list).extend(items)
            case "ADDITEMS":
                items = pop_to_mark()
                container(set).update(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                container(dict)[key] = value
            case "SETITEMS":
                items = pop_to_mark()
                container(dict).update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(find_global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(find_global(module, name))
            case "BINPERSID":
                stack.append(persistent_load(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(function, Global) or function.build is None:
                    raise ValueError("it calls what is not a function")
                stack.append(function.build(*arguments))
            case "BUILD":
                # PyTorch hangs `_metadata`, the layers' version numbers, on a state_dict
                stack.pop()
                container(OrderedDict)
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name:
                raise ValueError(f"instruction {name} builds no plain value")
    raise ValueError("it ends before its STOP instruction")


def refuse(value: Any, place: str) -> bytes:
    raise TypeError(f"save: {value!r} is no plain value")


def write(obj: Any, encode_other: Callable[[Any, str], bytes] = refuse) -> bytes:
    """`obj` as a pickle of protocol 2, which every PyTorch reads.

    `encode_other(value, place)` gives the instructions for a value that is not plain, or raises; `place`
    is where it stands, as in "['model']['conv1.weight']".
    """
    return b"\x80\x02" + instructions(obj, encode_other) + b"."


def instructions(
    obj: Any,
    encode_other: Callable[[Any, str], bytes] = refuse,
    place: str = "",
    inside: tuple[int, ...] = (),
) -> bytes:
    """The instructions that leave `obj` on the stack; `inside` holds the ids of the containers around it."""
    if isinstance(obj, np.generic):
        obj = obj.item()
    match obj:
        case None:
            return b"N"
        case bool():
            return b"\x88" if obj else b"\x89"
        case int() if -(2**31) <= obj < 2**31:
            return b"J" + struct.pack("<i", obj)
        case int():
            digits = encode_long(int(obj))
            return b"\x8a" + bytes([len(digits)]) + digits
        case float():
            return b"G" + struct.pack(">d", obj)
        case str():
            text = obj.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(text)) + text
        case bytes():  # protocol 2 has no bytes: they travel as text
            return call("_codecs", "encode", (obj.decode("latin1"), "latin1"))
    if not isinstance(obj, (dict, list, tuple)):
        return encode_other(obj, place)
    if id(obj) in inside:
        raise ValueError(f"save: the value at {place} contains itself")
    inside = (*inside, id(obj))

    def item(key: Any, value: Any) -> bytes:
        return instructions(value, encode_other, f"{place}[{key!r}]", inside)

    if isinstance(obj, tuple):
        return b"(" + b"".join(item(*pair) for pair in enumerate(obj)) + b"t"
    if isinstance(obj, list):
        return b"](" + b"".join(item(*pair) for pair in enumerate(obj)) + b"e"
    start = call("collections", "OrderedDict", ()) if isinstance(obj, OrderedDict) else b"}"
    pairs = (instructions(key, refuse) + item(key, value) for key, value in obj.items())
    return start + b"(" + b"".join(pairs) + b"u"


def refer(module: str, name: str) -> bytes:
    """The instruction that names a class or function."""
    return f"c{module}\n{name}\n".encode()


def call(module: str, name: str, arguments: tuple[Any, ...]) -> bytes:
    """The instructions that name a function and call it with plain arguments."""
    return refer(module, name) + instructions(arguments) + b"R"
