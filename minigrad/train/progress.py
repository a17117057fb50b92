"""The display of a training: a bar for the present epoch, a line for each past one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.train.setup import length_of

INTERVAL = 0.25  # seconds between two updates of the bar; each reads the metrics, for which a GPU must be waited for


def pipe_console(**options: Any) -> Any:
    """Rich's console, for which a pipe that nobody reads any more is an error as any: Rich's own ends the program."""
    from rich.console import Console

    class PipeConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that is being handled

    return PipeConsole(**options)


class Progress:
    """A bar in a terminal or a notebook; elsewhere (a file, a pipe) only the lines of the epochs.

    A terminal that is closed, or a pipe that nobody reads (`| head`), ends the display, not the training.
    """

    def __init__(self, shown: bool):
        self._bar: Any = None
        self._console: Any = None
        self._due = float("inf")
        if not shown:
            return
        from rich.progress import BarColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._console = pipe_console(highlight=False, soft_wrap=True)
        if self._console.is_terminal or self._console.is_jupyter:
            columns = "{task.description}", BarColumn(20), "{task.fields[figures]}", TimeRemainingColumn(compact=True)
            self._bar = Bar(*columns, console=self._console, transient=True, auto_refresh=False)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            with self._while_it_lasts():
                self._bar.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._bar is not None:
            with self._while_it_lasts():
                self._bar.stop()

    @contextmanager
    def _while_it_lasts(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._console = self._bar = None
            self._due = float("inf")

    def begin(self, words: str, loader: Any, done: int = 0) -> None:
        """A new bar for all batches of a loader, of which some are done."""
        if self._bar is not None:
            self._due = 0.0
            with self._while_it_lasts():
                for task in self._bar.task_ids:
                    self._bar.remove_task(task)
                self._bar.add_task(words, total=length_of(loader), completed=done, figures="")

    def due(self) -> bool:
        """Whether it is time for an update."""
        return time.perf_counter() >= self._due

    def update(self, done: int, figures: str) -> None:
        """Show how many batches are done, and some figures."""
        self._due = time.perf_counter() + INTERVAL
        with self._while_it_lasts():
            self._bar.update(self._bar.task_ids[0], completed=done, figures=figures)
            self._bar.refresh()

    def line(self, words: str) -> None:
        """A line that stays."""
        if self._console is not None:
            with self._while_it_lasts():
                self._console.print(words, markup=False)
