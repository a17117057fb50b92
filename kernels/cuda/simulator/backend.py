"""The device layer on the simulator: one device, called "simulator", whose work is done when a call returns."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import CaptureError
from ..source import check_variant, load, normalise
from . import arrays, compiler
from .graph import Graph, capturing, recording, unowned
from .memory import block_of, pool
from .module import Module
from .settings import current
from .trace import record, tracing


class SimulatorBackend:
    """See `Backend`; raises RuntimeError if there is no g++."""

    name = "simulator"
    xp: Any = arrays

    def __init__(self) -> None:
        compiler.compiler()
        self._modules: dict[tuple[Any, ...], Module] = {}

    def launch(
        self,
        file: str,
        function: str,
        grid: tuple[Any, ...],
        block: tuple[Any, ...],
        args: tuple[Any, ...],
        shared: int,
        defines: tuple[Any, ...],
        indirect: tuple[Any, ...],
    ) -> None:
        settings = current()
        key = file, defines, settings.mode
        if key not in self._modules:
            check_variant(file, defines)
            self._modules[key] = Module(load(file), normalise(defines), settings.mode)
        kernel = self._modules[key].get_function(function)
        kernel(grid, block, args, shared, indirect, settings)
        if tracing():
            values = tuple(a.data.ptr if isinstance(a, arrays.ndarray) else repr(a) for a in args)
            record("launch", f"{file}:{function}", defines, tuple(grid), tuple(block), shared, values)
        graph = capturing()
        if graph is not None:
            _keep(graph, (*args, *indirect))
            again = grid, block, _unowned(args), shared, _unowned(indirect), settings
            graph.add(lambda: kernel(*again))

    @contextmanager
    def capture(self) -> Iterator[Graph]:
        """See `Backend`. All is computed, as shapes are needed, but then the memory is as it was."""
        graph, before = Graph(), pool.contents()
        weakref.finalize(graph, pool.close, graph.arena)
        with recording(graph):
            try:
                yield graph
            finally:
                pool.restore(before)

    def refused_capture(self, error: BaseException) -> bool:
        return isinstance(error, CaptureError)

    def capability(self, device: int | None = None) -> tuple[int, int]:
        return current().capability

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def device_name(self, device: int | None = None) -> str:
        return "simulator"

    def synchronize(self) -> None:
        pass

    def memory_allocated(self) -> int:
        return pool.used

    def memory_reserved(self) -> int:
        return pool.held

    def max_memory_allocated(self) -> int:
        return pool.peak

    def reset_peak_memory_stats(self) -> None:
        pool.peak = pool.used

    def empty_cache(self) -> None:
        pool.free_all_blocks()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.empty(shape, dtype)

    def is_pinned(self, host: np.ndarray) -> bool:
        return False

    def upload(self, host: np.ndarray, device: int | None = None, non_blocking: bool = False) -> arrays.ndarray:
        return arrays.asarray(host)

    def download(self, array: arrays.ndarray, non_blocking: bool = False) -> np.ndarray:
        return array.get()

    def event(self) -> _Event:
        return _Event()


class _Event:
    """The work up to any place is done already."""

    done = True

    def record(self) -> None:
        record("call", "event")

    def synchronize(self) -> None:
        record("read", "event")


def _keep(graph: Graph, args: tuple[Any, ...]) -> None:
    """Let the graph hold the memory of a launch that lies outside its arena."""
    for argument in args:
        if isinstance(argument, arrays.ndarray):
            block = block_of(argument._array)
            if block is not None and block.arena is not graph.arena:
                graph.keep(block)


def _unowned(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arrays.ndarray._of(unowned(a._array)) if isinstance(a, arrays.ndarray) else a for a in args)
