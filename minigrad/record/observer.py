"""Listeners, which are told what the engine does, and the observer that tells them.

`start` puts a `Broadcast` into the engine's slot of the calling thread (see `minigrad.autograd.observer`), and `stop`
of the last listener empties it. What other threads do is not told.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import get_ident
from time import perf_counter
from typing import Any

from minigrad.autograd.function import Function
from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.node import AccumulateGrad, Node
from minigrad.autograd.observer import observers, unobserved
from minigrad.nn.module import Module
from minigrad.pending import finish
from minigrad.tensor import Tensor


class Listener:
    """Hears of what the thread does while it is open. A subclass overrides the events that it wants."""

    def enter(self, module: Module) -> None:
        """A module is being called."""

    def leave(self) -> None:
        """The call of the innermost module is over."""

    def operation(self, cls: type[Function], args: tuple[Any, ...], results: tuple[Any, ...], seconds: float) -> None:
        """Forward of `cls` has returned `results`."""

    def function(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        """A function that has no gradient has returned `result`."""

    def begin_pass(self, waiting: Mapping[Node, int]) -> None:
        """A backward pass starts; the nodes that it visits, each with the number of gradients it waits for."""

    def end_pass(self) -> None:
        """The innermost backward pass is over, well or not."""

    def begin_step(self, node: Node, gradients: list[Any]) -> Any:
        """`node` is about to run, or to add up a leaf's gradient. What this returns, `end_step` is given."""

    def end_step(self, node: Node, step: Any, results: tuple[Any, ...] | None, seconds: float) -> None:
        """`node` has run; `results` is None for a leaf, and if it failed."""


class ModuleListener(Listener):
    """Knows which modules are being called."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, str]] = []
        self._paths: weakref.WeakKeyDictionary[Module, str] = weakref.WeakKeyDictionary()

    @property
    def scope(self) -> tuple[tuple[str, str], ...]:
        """Path and class name of each module that is being called, outermost first; a path starts at the outermost."""
        return tuple(self._calls)

    def enter(self, module: Module) -> None:
        if not self._calls and module not in self._paths:
            self.name(module)
        self._calls.append((self._paths.get(module, ""), type(module).__name__))

    def leave(self) -> None:
        self._calls.pop()

    def name(self, outermost: Module) -> None:
        """A module is called that is in no other, for the first time: give it and those in it their paths."""
        for path, module in outermost.named_modules():
            self._paths[module] = path


class Broadcast:
    """The observer of a thread: tells each listener of the thread, in the order in which they were started.

    An operation's inside is not told, nor are the operations of a backward pass that records no graph.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self._passes = 0  # backward passes that are running
        self._calls: list[tuple[Listener, ...]] = []  # for each module that is being called, who heard of it
        self._told = 0.0  # seconds that the listeners have taken, which belong to no operation

    def operation(self, cls: type[Function], args: tuple[Any, ...]) -> Any:
        with unobserved():
            if self._passes and not is_grad_enabled():
                return cls.apply(*args)
            started = perf_counter()
            result = cls.apply(*args)
            _finish(result)
            seconds = perf_counter() - started
        outputs = result if isinstance(result, tuple) else (result,)
        with self._telling() as listeners:
            for listener in listeners:
                listener.operation(cls, args, outputs, seconds)
        return result

    def function(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        if not self._passes or is_grad_enabled():
            with self._telling() as listeners:
                for listener in listeners:
                    listener.function(name, args, result)

    def backward_pass(self, waiting: Mapping[Node, int]) -> AbstractContextManager[Any]:
        with self._telling() as listeners:
            for listener in listeners:
                listener.begin_pass(waiting)
        return self._running(listeners)

    @contextmanager
    def _running(self, listeners: tuple[Listener, ...]) -> Iterator[None]:
        self._passes += 1
        try:
            yield
        finally:
            self._passes -= 1
            for listener in listeners:
                listener.end_pass()

    def step(self, node: Node, gradients: list[Any], run: Callable[[list[Any]], Any]) -> Any:
        return self._step(node, gradients, lambda: run(gradients))

    def accumulate(self, node: AccumulateGrad, gradient: Tensor, fresh: bool) -> None:
        self._step(node, [gradient], lambda: node.add(gradient, fresh))

    def _step(self, node: Node, gradients: list[Any], run: Callable[[], Any]) -> Any:
        with self._telling() as listeners:
            steps = [listener.begin_step(node, gradients) for listener in listeners]
        results, told, started = None, self._told, perf_counter()
        try:
            results = run()
            _finish(results)
        finally:
            seconds = perf_counter() - started - (self._told - told)
            with self._telling():
                for listener, step in zip(listeners, steps, strict=True):
                    listener.end_step(node, step, results, seconds)
        return results

    def enter(self, module: Module) -> None:
        with self._telling() as listeners:
            self._calls.append(listeners)
            for listener in listeners:
                listener.enter(module)

    def leave(self) -> None:
        for listener in self._calls.pop():
            listener.leave()

    @contextmanager
    def _telling(self) -> Iterator[tuple[Listener, ...]]:
        """Around what listeners do: it is not observed itself, and its time is taken from no operation's."""
        started = perf_counter()
        with unobserved():
            yield tuple(self.listeners)
        self._told += perf_counter() - started


def start(listener: Listener) -> None:
    """Tell `listener` of everything that the calling thread does from now on."""
    observer = observers.setdefault(get_ident(), Broadcast())
    assert isinstance(observer, Broadcast)
    observer.listeners.append(listener)


def stop(listener: Listener) -> None:
    """Tell `listener` no more; with the last one the thread is unobserved again."""
    observer = observers[get_ident()]
    assert isinstance(observer, Broadcast)
    observer.listeners.remove(listener)
    if not observer.listeners:
        del observers[get_ident()]


def _finish(results: Any) -> None:
    """Have the results computed: one may be put off, and what follows be told to take its time; a GPU's come later."""
    finish()
    for result in results if isinstance(results, tuple) else (results,):
        if isinstance(result, Tensor) and result.is_cuda:
            result.array.device.synchronize()
            return
