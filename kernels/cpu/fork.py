"""Kernels in a forked process.

A fork copies the memory of the process and the thread that called it, and no other thread. The pool that parallel
kernels share their work with is lost: OpenMP would abort, and others wait for ever, for threads that are not there. So
in a forked process each kernel runs in its form for one thread. Locks are taken around the fork, so that none is copied
while another thread holds it.
"""

import os
from typing import Any

from numba.core.compiler_lock import global_compiler_lock

_parallel: list[Any] = []
_locks: list[Any] = [global_compiler_lock]


def prepare(kernel: Any) -> None:
    """Let the compiled parallel `kernel` run as `kernel.alone` in processes that are forked from now on."""
    _parallel.append(kernel)


def protect(lock: Any) -> None:
    """Have `lock` free in processes that are forked from now on."""
    _locks.append(lock)


def _before() -> None:
    for lock in _locks:
        lock.acquire()


def _after() -> None:
    for lock in reversed(_locks):
        lock.release()


def _in_child() -> None:
    _after()
    for kernel in _parallel:
        kernel.__class__ = _alone(type(kernel))
    _parallel.clear()


def _alone(kind: type) -> type:
    """The class of a compiled kernel that passes its calls on: Python looks `__call__` up in the class."""
    return type(f"{kind.__name__}Alone", (kind,), {"__call__": lambda self, *args: self.alone(*args)})


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
