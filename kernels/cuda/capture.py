"""The inputs of a captured step: numbers that the host sets before each replay, and what it counts.

A CUDA graph keeps each number that a kernel was given at capture. Those that change (the learning rate,
Adam's step, the place in a generator's stream) have to lie in the GPU's memory. So code that uses such a number
asks whether its thread is being captured, and if so gets from the `Capture` an address in the GPU's memory, to which
the new value is written before each replay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import numpy as np

from . import numbers
from .errors import cannot_hold


class Capture:
    """The numbers of one captured step, and what its replays count."""

    def __init__(self) -> None:
        self._words = numbers.words(numbers.WORDS)  # on the GPU
        self._values = np.zeros(numbers.WORDS, np.uint64)  # what they are to be
        self._written = b""
        self._used = 0
        self._before: list[Callable[[], None]] = []  # what is done before each replay, in this order
        self._changes: list[Callable[[int], None]] = []
        self._expected: list[Callable[[], bool]] = []
        self._streams: dict[Any, tuple[Any, int]] = {}
        self._drawn: list[tuple[Any, int]] = []  # generators, and the blocks that a replay draws

    def numbers(self, read: Callable[[], Any], dtype: Any, shape: tuple[int, ...] = ()) -> Any:
        """Memory on the GPU that holds what `read()` gives before each replay."""
        size = int(np.prod(shape, dtype=int))
        words = -(-size * np.dtype(dtype).itemsize // 8)
        place = slice(self._used, self._used + words)
        if place.stop > len(self._values):
            raise RuntimeError(f"a captured step has room for {len(self._values)} numbers that change, and needs more")
        self._used = place.stop
        cell = self._values[place].view(dtype)[:size].reshape(shape)

        def update() -> None:
            cell[...] = read()

        self._before.append(update)
        return self._words[place].view(dtype)[:size].reshape(shape)

    def number(self, host: np.ndarray, dtype: Any) -> Any:
        """Memory on the GPU that holds the number in a 0-d array of the host before each replay."""
        return self.numbers(lambda: host, dtype)

    def on_replay(self, change: Callable[[int], None]) -> None:
        """`change(1)` is called before each replay, and `change(-1)` once, to take back what the capture has done.

        What is asked for later, by `numbers` too, is done later.
        """
        self._changes.append(change)
        self._before.append(partial(change, 1))

    def refuse(self, what: str) -> NoReturn:
        """Say that `what` cannot be captured."""
        raise cannot_hold(what)

    def expect(self, holds: Callable[[], bool]) -> None:
        """Add a condition under which the graph is still equal to the step."""
        self._expected.append(holds)

    def stream(self, generator: Any, offset: int) -> tuple[Any, int]:
        """Seed and offset of a generator's draw at `offset`, as the kernels take it from memory; see philox.cuda."""
        if generator not in self._streams:
            self._streams[generator] = self.numbers(generator.position, np.uint64, (2,)), offset
        state, start = self._streams[generator]
        return state, (offset - start) % 2**64

    def end(self) -> None:
        """Take back what the host has counted while the step was captured: no step has been taken yet."""
        self._drawn = [(generator, generator.position()[1] - start) for generator, (_, start) in self._streams.items()]
        for generator, blocks in self._drawn:
            generator.skip(-blocks)
        for change in reversed(self._changes):
            change(-1)

    def fits(self) -> bool:
        """Whether the graph is still equal to the step."""
        return all(holds() for holds in self._expected)

    def prepare(self) -> None:
        """Count the next replay, and have its numbers in place; the host does not wait."""
        for action in self._before:
            action()
        values = self._values[: self._used]
        if values.tobytes() != self._written:
            numbers.write(values, self._words)
            self._written = values.tobytes()

    def launched(self) -> None:
        """Let the generators go on behind what the replay has drawn."""
        for generator, blocks in self._drawn:
            generator.skip(blocks)


class _State(threading.local):
    capture: Capture | None = None


_state = _State()


def capturing() -> Capture | None:
    """The capture that is in progress in this thread, or None."""
    return _state.capture


@contextmanager
def into(capture: Capture) -> Iterator[None]:
    """A context in which this thread's step is captured."""
    _state.capture = capture
    try:
        yield
    finally:
        _state.capture = None
