"""A run's folder: the checkpoint to resume from, the best weights, and the state of all generators."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.generator import get_rng_state, set_rng_state
from minigrad.serialize import load, save
from minigrad.serialize.files import explained, make_folder
from minigrad.train.lock import RunLock
from minigrad.train.setup import difference

FORMAT = 1  # of the checkpoint's dictionary; a later one that is laid out differently counts on


class RunFolder:
    """The folder of a run: `checkpoint.pt`, `best.safetensors`, and the logs.

    Both are written to a temporary file that is renamed once it is complete and on the disk, so that a process that is
    stopped leaves the old or the new one.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.pt"
        self.best = self.path / "best.safetensors"
        self.lock = RunLock(self.path)
        self.saved: int | None = None  # the step of the checkpoint, as far as it is known
        self._missed: set[str] = set()  # of the files that a run can do without, those that could not be written

    def hold(self) -> None:
        """Make the folder, and keep other processes out of it; RuntimeError where one trains there."""
        make_folder(self.path)
        self.lock.acquire()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it no other process may train here."""
        try:
            self.hold()
            yield
        finally:
            self.lock.release()

    def open(self, fresh: bool) -> None:
        """Clear away what a killed process was writing; a `fresh` run has no best weights."""
        for unfinished in self.path.glob(".*.part"):
            with suppress(OSError):  # it is in nobody's way
                unfinished.unlink(missing_ok=True)
        if fresh:
            try:
                self.best.unlink(missing_ok=True)
            except OSError as error:
                raise explained(error, f"cannot remove {str(self.best)!r}, of an earlier run") from None

    def save(self, state: dict[str, Any]) -> None:
        """Let `state` take the place of the checkpoint."""
        with self._essential("the checkpoint", state["step"]):
            save({"format": FORMAT, **state}, self.checkpoint)
        self.saved = state["step"]

    def load(self, setup: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint, of a run with that setup; every byte of it is checked against the sums that the file holds.

        From now on the folder is held, until `held` ends.
        """
        self.lock.acquire()
        try:
            if not self.checkpoint.exists():
                raise FileNotFoundError(f"resume: there is no {self.checkpoint}; start the run without resuming first")
            state = load(self.checkpoint)
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                raise RuntimeError(f"resume: {self.checkpoint} is not a checkpoint of Trainer (format {FORMAT})")
            if different := difference(state["setup"], setup):
                raise RuntimeError(
                    f"resume: {self.checkpoint} was made with {different}; give the same, or start another run_dir"
                )
        except BaseException:
            self.lock.release()
            raise
        self.saved = state["step"]
        return state

    def save_best(self, weights: dict[str, Any], step: int) -> None:
        """Let `weights`, a model's `state_dict()` after `step` steps, take the place of the best."""
        with self._essential("the best weights", step):
            save(weights, self.best)

    @contextmanager
    def _essential(self, what: str, step: int) -> Iterator[None]:
        """An OSError within it says what was not saved, and what is."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, f"{what} of step {step:,}: {error.strerror or error}{kept(self)}") from None

    @contextmanager
    def spared(self, what: str) -> Iterator[None]:
        """An error within it is a warning, once: logs and pictures are not worth a run."""
        try:
            yield
        except Exception as error:
            if what not in self._missed:
                self._missed.add(what)
                why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
                warnings.warn(f"{what}: {why}; the training goes on without", stacklevel=5)


def kept(folder: RunFolder | None) -> str:
    """What is left of a run that went wrong, as the end of a message."""
    if folder is None:
        return ""
    if folder.saved is None:
        return "; no checkpoint is saved yet"
    return f"; the checkpoint of step {folder.saved:,} is whole: {folder.checkpoint}"


def generator_states() -> dict[str, Any]:
    """Where minigrad's, NumPy's and Python's global generators are."""
    state: Any = np.random.get_state()
    name, keys, *rest = state
    return {"minigrad": get_rng_state(), "numpy": (name, keys.tobytes(), *rest), "python": random.getstate()}


def set_generator_states(states: dict[str, Any]) -> None:
    """Put the global generators where `generator_states` found them."""
    set_rng_state(states["minigrad"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))
    random.setstate(states["python"])
