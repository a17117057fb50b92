"""Pickles of plain values, read without running what they name.

A pickle is a program for a small stack machine, and Python's own machine calls any function that the program
names. The one here reads the same instructions (`pickletools` decodes them) but knows only those that build
plain values; a function runs only when the caller's `find_global` returned it.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
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


# How much a pickle's calls may copy: so many times its own bytes, and some more. An honest one copies each part once or
# twice; one that copies a remembered part again and again would fill the memory from a few kilobytes.
COPIES, FREE_COPIES = 8, 1 << 20
MOST_IN_KEY = 10_000  # parts of a dict's key or a set's item: a tuple of tuples of tuples... takes for ever to hash


class Global:
    """What a pickle may name: a function or class that it may call, or (without `build`) a mere name."""

    def __init__(self, name: str, build: Callable[..., Any] | None = None):
        self.name = name
        self.build = build


class Unfinished:
    """An object that a pickle calls into being empty and then gives its state: `finish(state)` makes it."""

    def __init__(self, finish: Callable[[Any], Any]):
        self.finish = finish
        self.memo_keys: list[int] = []


class Skipped:
    """Replaces, in a loaded value, an object that `load(..., skip_unknown=True)` left out.

    Args:
        name: the class that could not be read.

    Examples:
        >>> mg.serialize.Skipped("robots.Arm").name
        'robots.Arm'
    """

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"Skipped({self.name!r})"


def read(file: BinaryIO, find_global: Callable[[str, str], Any], persistent_load: Callable[[Any], Any]) -> Any:
    """The value of the next pickle in `file`, which is left behind its last instruction.

    `find_global(module, name)` answers for every class or function the pickle names: a `Global`, a plain value, or
    a `Skipped`, which then also stands for what the pickle builds with it; or it raises. `persistent_load(key)`
    gives the objects that lie outside the pickle. Errors: ValueError for an instruction that no plain value needs,
    for broken bytes, or for one that copies its parts again and again (a bomb).
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

    def fill(method: str, *arguments: Any, kinds: tuple[type, ...]) -> None:
        """Call a container's method; a Skipped takes no items."""
        if isinstance(stack[-1], kinds):
            if kinds[0] is not list:
                for key in arguments[0] if kinds[0] is set else arguments[:1]:
                    _check_key(key)
            getattr(stack[-1], method)(*arguments)
        elif not isinstance(stack[-1], Skipped):
            raise ValueError(f"a {kinds[0].__name__}'s items are given to a {type(stack[-1]).__name__}")

    def remember(key: int) -> None:
        memo[key] = stack[-1]
        if isinstance(stack[-1], Unfinished):
            stack[-1].memo_keys.append(key)

    start = file.tell()
    allowance = FREE_COPIES + COPIES * (file.seek(0, io.SEEK_END) - start)
    file.seek(start)
    operations: Iterable[tuple[Any, Any, Any]] = pickletools.genops(file)
    copied = 0  # numbers, characters and items that calls were given: they copy them

    def charge(arguments: Any) -> None:
        nonlocal copied
        copied += sum(map(_size, arguments)) if isinstance(arguments, (tuple, list)) else _size(arguments)
        if copied > allowance:
            raise ValueError("it builds more than its bytes can hold")

    for opcode, argument, _ in operations:
        match opcode.name:
            case name if name in LITERALS:
                stack.append(argument)
            case name if name in CONSTRUCTORS:
                stack.append(CONSTRUCTORS[name]())
            case "BYTEARRAY8":
                stack.append(bytearray(argument))
            case "FROZENSET":
                items = pop_to_mark()
                for item in items:
                    _check_key(item)
                stack.append(frozenset(items))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                fill("append", item, kinds=(list, deque))
            case "APPENDS":
                items = pop_to_mark()
                fill("extend", items, kinds=(list, deque))
            case "ADDITEMS":
                items = pop_to_mark()
                fill("update", items, kinds=(set,))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                fill("__setitem__", key, value, kinds=(dict,))
            case "SETITEMS":
                items = pop_to_mark()
                for pair in zip(items[::2], items[1::2], strict=True):
                    fill("__setitem__", *pair, kinds=(dict,))
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                remember(argument)
            case "MEMOIZE":
                remember(len(memo))
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(find_global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(find_global(module, name))
            case "BINPERSID":
                stack.append(persistent_load(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                charge(arguments)
                stack.append(call(function, arguments))
            case "NEWOBJ_EX":
                keywords, arguments, function = stack.pop(), stack.pop(), stack.pop()
                charge(arguments)
                stack.append(call(function, arguments, keywords))
            case "BUILD":
                state = stack.pop()
                built = stack[-1]
                if isinstance(built, Unfinished):
                    charge(state)
                    stack[-1] = built.finish(state)
                    memo.update(dict.fromkeys(built.memo_keys, stack[-1]))
                elif not isinstance(built, (OrderedDict, Skipped)):
                    # PyTorch hangs `_metadata`, the layers' version numbers, on a state_dict: it is not needed here
                    raise ValueError(f"a state is given to a {type(built).__name__}, which has none")
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name:
                raise ValueError(f"instruction {name} builds no plain value")
    raise ValueError("it ends before its STOP instruction")


def _size(value: Any) -> int:
    """How many bytes, characters or items a value has that a call may copy."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, (bytes, bytearray, str, list, tuple, dict, set, frozenset, deque)) else 0


def _check_key(key: Any) -> None:
    """ValueError for a key of too many parts."""
    parts, waiting = 0, [key]
    while waiting:
        part = waiting.pop()
        parts += 1
        if parts > MOST_IN_KEY:
            raise ValueError(f"a dict's key or a set's item has more than {MOST_IN_KEY:,} parts")
        if isinstance(part, (tuple, frozenset)):
            waiting.extend(part)


def call(function: Any, arguments: tuple[Any, ...], keywords: Any = None) -> Any:
    """What a pickle builds by calling `function`, which `find_global` must have let in."""
    if isinstance(function, Skipped):
        return function
    if not isinstance(function, Global) or function.build is None or keywords:
        raise ValueError("it calls what is not a function")
    return function.build(*arguments)
