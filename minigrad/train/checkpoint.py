"""A run's folder: the checkpoint to resume from, the best weights, and the state of all generators."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.generator import get_rng_state, set_rng_state
from minigrad.serialize import load, save
from minigrad.train.lock import RunLock

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

    def hold(self) -> None:
        """Make the folder, and keep other processes out of it; RuntimeError where one trains there."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock.acquire()

    def open(self, fresh: bool) -> None:
        """Clear away what a killed process was writing; a `fresh` run has no best weights."""
        for unfinished in self.path.glob(".*.part"):
            unfinished.unlink(missing_ok=True)
        if fresh:
            self.best.unlink(missing_ok=True)

    def save(self, state: dict[str, Any]) -> None:
        """Let `state` take the place of the checkpoint."""
        save({"format": FORMAT, **state}, self.checkpoint)

    def load(self) -> dict[str, Any]:
        """The checkpoint; every byte of it is checked against the sums that the file holds."""
        if not self.checkpoint.exists():
            raise FileNotFoundError(f"resume: there is no {self.checkpoint}; start the run without resuming first")
        state = load(self.checkpoint)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise RuntimeError(f"resume: {self.checkpoint} is not a checkpoint of Trainer (format {FORMAT})")
        return state

    def save_best(self, weights: dict[str, Any]) -> None:
        """Let `weights`, a model's `state_dict()`, take the place of the best."""
        save(weights, self.best)


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
