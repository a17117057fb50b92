"""How a trace listens: while one is open, the engine's few doors are replaced by ones that tell who passes.

The doors are `Function.apply` and `_record` (forward), `backward_pass`, `Node.run` and
`AccumulateGrad.accumulate` (backward) and `Module.__call__` (where we are). With the last trace they are put
back: an engine that nobody watches runs its own code and nothing else. Only the thread that opened a trace is
recorded; others pass through.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from minigrad.autograd import backward as backward_function
from minigrad.autograd.deferred import like
from minigrad.autograd.function import Node
from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.nn.module import Module
from minigrad.ops.fusion import Convolved
from minigrad.record.recorder import Recorder
from minigrad.tensor import Tensor

_ENGINE = sys.modules[backward_function.__module__]  # minigrad.autograd.backward is the function


class _Watching(threading.local):
    """This thread's open recorders, and whether it is inside of what they record."""

    def __init__(self) -> None:
        self.recorders: list[Recorder] = []
        self.in_forward = False  # a Function's forward is an operation's inside
        self.passes = 0  # backward passes that are running
        self.running: Node | None = None
        self.overhead = 0.0  # seconds spent on recording, which are nobody's


watching = _Watching()
_lock = threading.Lock()
_open = 0
_originals: list[tuple[Any, str, Any]] = []


def start(recorder: Recorder) -> None:
    """Let `recorder` hear of everything that this thread does."""
    global _open
    with _lock:
        if _open == 0:
            _replace_doors()
        _open += 1
    watching.recorders.append(recorder)


def stop(recorder: Recorder) -> None:
    """Let `recorder` go; with the last one, the engine is as it was."""
    global _open
    watching.recorders.remove(recorder)
    with _lock:
        _open -= 1
        if _open == 0:
            while _originals:
                owner, name, original = _originals.pop()
                setattr(owner, name, original)


def _replace_doors() -> None:
    doors: list[tuple[Any, str, Callable]] = [(_ENGINE, "backward_pass", _watched_pass)]
    for cls in dict.fromkeys(_with_subclasses(Node)):
        doors += [(cls, "apply", _watched_apply), (cls, "_record", _watched_record)]
        doors += [(cls, "run", _watched_run), (cls, "accumulate", _watched_accumulate)]
    doors += [(cls, "__call__", _watched_call) for cls in dict.fromkeys(_with_subclasses(Module))]
    for owner, name, watched in doors:
        original = vars(owner).get(name)
        if original is not None:
            _originals.append((owner, name, original))
            setattr(owner, name, watched(original))


def _with_subclasses(cls: Any) -> Iterator[Any]:
    yield cls
    for below in cls.__subclasses__():
        yield from _with_subclasses(below)


def _watched_apply(original: Any) -> Any:
    function = original.__func__

    @functools.wraps(function)
    def apply(cls, *args):
        if not watching.recorders or watching.in_forward or (watching.passes and not is_grad_enabled()):
            return function(cls, *args)
        watching.in_forward = True
        started = perf_counter()
        try:
            result = function(cls, *args)
            _finish(result)
        finally:
            elapsed = perf_counter() - started
            watching.in_forward = False
        outputs = result if isinstance(result, tuple) else (result,)
        for recorder in _recording():
            recorder.operation(cls, args, outputs, elapsed)
        return result

    return classmethod(apply)


def _watched_record(original: Any) -> Any:
    @functools.wraps(original)
    def _record(self, args, outputs):
        original(self, args, outputs)
        if not watching.recorders or watching.in_forward or (watching.passes and not is_grad_enabled()):
            return
        # ``square = Square.apply``, kept from before the trace, is the engine's own apply: its time is not known.
        for recorder in _recording():
            if self not in recorder.nodes:
                recorder.operation(type(self), args, outputs, 0.0)

    return _record


def _watched_pass(original: Any) -> Any:
    @functools.wraps(original)
    def backward_pass(roots, gradients, retain_graph, create_graph, targets=None):
        if not watching.recorders or watching.in_forward:
            return original(roots, gradients, retain_graph, create_graph, targets)
        recorders = tuple(watching.recorders)
        for recorder in _recording():
            recorder.begin_pass(roots, targets)
        watching.passes += 1
        try:
            return original(roots, gradients, retain_graph, create_graph, targets)
        finally:
            watching.passes -= 1
            for recorder in recorders:
                recorder.end_pass()

    return backward_pass


def _watched_run(original: Any) -> Any:
    @functools.wraps(original)
    def run(self, gradients):
        if not watching.recorders or watching.in_forward or watching.running is self:
            return original(self, gradients)
        recorders = tuple(watching.recorders)
        steps = [recorder.begin_step(self, gradients) for recorder in _recording()]
        around, watching.running = watching.running, self
        before, started = watching.overhead, perf_counter()
        try:
            results = original(self, gradients)
            _finish(results)
        finally:
            elapsed = perf_counter() - started - (watching.overhead - before)
            watching.running = around
            for step in steps:
                step.time = elapsed
        for recorder, step in zip(recorders, steps, strict=True):
            with _Overhead():
                recorder.end_step(self, step, results)
        return results

    return run


def _watched_accumulate(original: Any) -> Any:
    @functools.wraps(original)
    def accumulate(self, gradient, fresh):
        if not watching.recorders or watching.in_forward:
            original(self, gradient, fresh)
            return
        recorders = tuple(watching.recorders)
        steps = [recorder.begin_step(self, [gradient]) for recorder in _recording()]
        started = perf_counter()
        original(self, gradient, fresh)
        elapsed = perf_counter() - started
        for recorder, step in zip(recorders, steps, strict=True):
            with _Overhead():
                step.time = elapsed
                recorder.end_leaf(self, step)

    return accumulate


def _watched_call(original: Any) -> Any:
    @functools.wraps(original)
    def __call__(self, *args, **kwargs):
        recorders = tuple(watching.recorders)
        for recorder in recorders:
            recorder.enter(self)
        try:
            return original(self, *args, **kwargs)
        finally:
            for recorder in recorders:
                recorder.leave()

    return __call__


class _Overhead:
    """Counts the time inside as the recording's own."""

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *exc_info) -> None:
        watching.overhead += perf_counter() - self._started


def _recording() -> Iterator[Recorder]:
    """This thread's recorders, the time between them being counted as overhead."""
    for recorder in tuple(watching.recorders):
        with _Overhead():
            yield recorder


def _finish(results: Any) -> None:
    """Have the results computed: a convolution's may wait for what follows, a GPU's come before they are there."""
    for result in results if isinstance(results, tuple) else (results,):
        if isinstance(result, Convolved):
            result.array  # noqa: B018  # what follows it would be told to take its time
        elif isinstance(result, Tensor) and result.is_cuda:
            like(result).device.synchronize()
            return
