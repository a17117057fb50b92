"""Numba's cache on disk, with a key that sees what a kernel takes from other files.

Numba files a compiled form under the argument types, its own version, the processor, the kernel's own instructions, and
the time and size of the kernel's own file. The functions that the kernel calls and the constants that it reads are
compiled into the form, and may be another file's: after a `git pull` old code would run. So the key holds a digest of
them too, as they are in this process: the instructions of each function reached, and the value of each constant.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

_PACKAGE = __name__.rpartition(".cpu.")[0]


class _Files(IndexDataCacheFile):
    """A kernel's files: an index of its compiled forms, and a file for each.

    Numba numbers the files. Two processes that compile at once may then give one number to two forms, and one of them
    would run for the other: here a file is named after its form. It is written before the index that names it, and is
    on the disk before it gets its name, so that no power cut leaves half of one. What cannot be read is not there.
    """

    def save(self, key: Any, data: Any) -> None:
        form = hashlib.sha256(repr(key).encode()).hexdigest()[:20]
        name = f"{self._index_name.removesuffix('.nbi')}.{form}.nbc"
        self._save_data(name, data)
        self._save_index(self._load_index() | {key: name})

    def load(self, key: Any) -> Any:
        try:
            return super().load(key)
        except Exception:  # of damaged bytes pickle raises anything
            return None

    def _load_index(self) -> dict[Any, str]:
        try:
            return super()._load_index()
        except Exception:
            return {}

    @contextmanager
    def _open_for_write(self, path: str) -> Iterator[Any]:
        with super()._open_for_write(path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


class KernelCache(FunctionCache):
    """Numba's cache of one kernel; RuntimeError where no folder can be written.

    A kernel that cannot be kept is compiled again at each start: a warning, once a process.
    """

    _key = FunctionCache._index_key  # AttributeError, on import, with a Numba that files its forms in another way
    _warned = False

    def __init__(self, function: FunctionType):
        super().__init__(function)
        self._cache_file = _Files(self.cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, *form: Any) -> Any:
        try:
            return super().load_overload(*form)
        except Exception:
            return None

    def save_overload(self, *form: Any) -> None:
        try:
            super().save_overload(*form)
        except OSError as error:
            if not KernelCache._warned:
                KernelCache._warned = True
                why = f"{self.cache_path}: {error.strerror or error}"
                words = f"compiled kernels cannot be kept in {why}; the next start compiles them again"
                warnings.warn(words, stacklevel=2)

    def _index_key(self, *form: Any) -> tuple[Any, ...]:
        return self._key(*form), digest(self._py_func)


@cache
def digest(function: FunctionType) -> str:
    """A hash of what is compiled into a function: equal in all processes that would compile the same."""
    return hashlib.sha256("\n".join(_parts(function, set())).encode()).hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[str]:
    """What a function, or a value that one reads, adds to compiled code, as texts."""
    if isinstance(value, Dispatcher):
        yield from _parts(value.targetoptions, seen)
        value = value.py_func
    value = getattr(value, "_defn", value)  # of an intrinsic
    if isinstance(value, FunctionType):
        yield f"{value.__module__}.{value.__qualname__}"
        if _is_ours(value) and id(value) not in seen:
            seen.add(id(value))
            yield from _code(value.__code__)
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            yield from _parts([value.__defaults__, value.__kwdefaults__, cells], seen)
            yield from _named(value.__code__, value.__globals__, seen)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, seen)
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            yield repr(key)
            yield from _parts(value[key], seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(map(repr, value))
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__} {getattr(value, '_fields', '')}"
    elif isinstance(value, ModuleType):
        yield value.__name__
    else:
        text = repr(value)
        yield type(value).__qualname__ if " at 0x" in text else text  # an address is another in each process


def _code(code: CodeType) -> Iterator[str]:
    """The instructions, without the lines and the file that they come from."""
    yield code.co_code.hex()
    yield from (*code.co_names, *code.co_varnames, *code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield from _parts(constant, set())


def _named(code: CodeType, names: dict[str, Any], seen: set[int]) -> Iterator[str]:
    """The values of the names that instructions read from `names`, and from our modules among them."""
    for name in code.co_names:
        if name in names:
            value = names[name]
            yield name
            yield from _parts(value, seen)
            if isinstance(value, ModuleType) and _is_ours(value):
                yield from _named(code, vars(value), seen)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, names, seen)


def _is_ours(value: FunctionType | ModuleType) -> bool:
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return name.startswith(f"{_PACKAGE}.")
