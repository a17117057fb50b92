"""Graphs of the simulated device: the work recorded in a capture, repeated at each launch.

As a CUDA graph, it holds addresses and numbers, and keeps no array alive: what it uses has to lie in its own arena of
memory, or has to be kept by others. A launch that touches memory which has been reused in the meantime
overwrites it, as on a GPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import CaptureError, cannot_hold


class Arena:
    """Free addresses by size: what is freed goes back to the arena that it came from."""

    def __init__(self) -> None:
        self.free: dict[int, list[int]] = {}


class Graph:
    """A list of things to do; see `Backend.capture`."""

    def __init__(self) -> None:
        self.arena = Arena()
        self._work: list[Callable[[], object]] = []
        self._kept: list[Any] = []

    def add(self, work: Callable[[], object]) -> None:
        """Record `work`, for each launch."""
        self._work.append(work)

    def keep(self, memory: Any) -> None:
        """Keep memory outside the arena alive."""
        self._kept.append(memory)

    def launch(self) -> None:
        """Run all recorded work."""
        if _state.graph is not None:
            raise cannot_hold("the launch of another graph")
        with np.errstate(all="ignore"):
            for work in self._work:
                work()


class _State(threading.local):
    graph: Graph | None = None


_state = _State()


def capturing() -> Graph | None:
    """The graph into which this thread's work goes."""
    return _state.graph


@contextmanager
def recording(graph: Graph) -> Iterator[None]:
    """A context in which the work of this thread is recorded in the graph."""
    if _state.graph is not None:
        raise CaptureError("a CUDA graph is being captured already")
    _state.graph = graph
    try:
        yield
    finally:
        _state.graph = None


class _Memory:
    """What NumPy needs to see memory as an array, without owning it."""

    def __init__(self, array: np.ndarray):
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def unowned(value: Any) -> Any:
    """The arrays in a call's arguments as mere addresses."""
    if isinstance(value, np.ndarray):
        if value.size == 0 or value.dtype.names is not None:
            return value
        return np.asarray(_Memory(value))
    if type(value) in (list, tuple):
        return type(value)(unowned(item) for item in value)
    if isinstance(value, dict):
        return {key: unowned(item) for key, item in value.items()}
    return value


def repeat(
    function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], results: list[np.ndarray]
) -> None:
    """While a graph is captured: at each launch call `function`, and write what it returns where it was written."""
    graph = _state.graph
    if graph is None:
        return
    outputs, args, keywords = unowned(results), unowned(args), unowned(keywords)

    def work() -> None:
        produced = function(*args, **keywords)
        for output, value in zip(outputs, produced if isinstance(produced, (list, tuple)) else [produced], strict=True):
            output[...] = value

    graph.add(work if results else lambda: function(*args, **keywords))
