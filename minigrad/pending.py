"""Results that are computed later than they were asked for: who may put them off, and when they must be there.

The engine computes each operation at once. A layer on top of it (`minigrad.fusion`) may put an operation off to compute
it in one pass with what follows. It may do so in a thread that is within `postponing`, as during the call of a module
and a backward pass, and the engine calls `finish` where a result must not wait any longer.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol


class Result(Protocol):
    """What was put off, and still `waits`."""

    waits: bool

    def materialize(self) -> Any:
        """Compute it."""

    def reads(self, tensor: Any) -> bool:
        """Whether it will be computed from the memory of `tensor`."""


class _Pending(threading.local):
    results: list[weakref.ref[Any]] | None = None  # of this thread; None outside of `postponing`


pending = _Pending()


class postponing:
    """Within it this thread's results may wait; when it ends they have been computed."""

    def __enter__(self) -> None:
        self._outermost = pending.results is None
        if self._outermost:
            pending.results = []

    def __exit__(self, *exc_info: Any) -> None:
        try:
            finish()
        finally:
            if self._outermost:
                pending.results = None


def put_off(result: Result) -> None:
    """Have `result` computed by `finish`, if somebody still holds it then."""
    assert pending.results is not None
    pending.results.append(weakref.ref(result))


def finish(written: Any = None) -> None:
    """Compute what this thread has put off: everything, or what reads the tensor that is about to be `written`."""
    if not pending.results:
        return
    waiting = []
    for reference in pending.results:
        result = reference()
        if result is not None and result.waits:
            waiting.append((reference, result))
    pending.results = [reference for reference, _ in waiting]
    for _, result in waiting:
        if written is None or result.reads(written):
            result.materialize()
