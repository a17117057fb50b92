"""The one place where a tool is told what the engine does: a slot for an `Observer`, one in each thread.

`minigrad.record` fills it while a trace is open. While nobody observes, `observers` is empty, and to find it empty
is all that the engine does for its tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import get_ident
from typing import Any, Protocol

from minigrad.tensor import Tensor


class Observer(Protocol):
    """What the engine calls in the observed thread. A method stands around what it observes, and has it done.

    `cls` is a `Function`, `node` a `Node`; they know this module, and it does not know them.
    """

    def operation(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """An operation is applied: return ``cls.apply(*args)``, called under `unobserved`."""

    def function(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        """A function that has no gradient, such as a comparison, has returned `result`."""

    def backward_pass(self, waiting: Mapping[Any, int]) -> AbstractContextManager[Any]:
        """Around a backward pass; for each node that it visits the number of gradients that the node waits for."""

    def step(self, node: Any, gradients: list[Any], run: Callable[[list[Any]], Any]) -> Any:
        """A node of the pass runs backward: return ``run(gradients)``."""

    def accumulate(self, node: Any, gradient: Tensor, fresh: bool) -> None:
        """A gradient arrives at a leaf: call ``node.add(gradient, fresh)``."""

    def enter(self, module: Any) -> None:
        """A module is being called."""

    def leave(self) -> None:
        """The call of the innermost module is over, well or not."""


observers: dict[int, Observer] = {}
"""The observer of each thread that has one, by the thread's identifier."""


def observing() -> Observer | None:
    """The calling thread's observer. Ask only if `observers` is not empty: that is the quicker question."""
    return observers.get(get_ident())


@contextmanager
def unobserved() -> Iterator[None]:
    """Within the block the calling thread has no observer: what runs is the inside of something observed."""
    thread = get_ident()
    observer = observers.pop(thread, None)
    try:
        yield
    finally:
        if observer is not None:
            observers[thread] = observer


def observed(name: str, args: tuple[Any, ...], result: Any) -> Any:
    """Tell the thread's observer, if it has one, what the function `name` without a gradient returned; `result`."""
    observer = observing()
    if observer is not None:
        observer.function(name, args, result)
    return result
