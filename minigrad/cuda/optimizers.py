"""Optimizers in a captured step: their settings are read anew for each replay, and their steps are counted.

An optimizer knows nothing of it. While a step is captured, the settings that schedules change lie in arrays of the
host, of which the kernels' launches take a place in the GPU's memory (see `Capture.number`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any

import numpy as np

from minigrad.kernels import Capture, capturing
from minigrad.optim import SGD, Adam
from minigrad.optim.hooks import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor

# For each update that can be captured, the settings whose first number may change, and what of them may not.
CAPTURABLE: dict[Callable[..., None], dict[str, Callable[[Any], Any]]] = {
    SGD._update: {"lr": lambda lr: None, "momentum": lambda momentum: momentum != 0},
    Adam._update: {"lr": lambda lr: None, "betas": lambda betas: betas[1]},
}


@contextmanager
def captured_optimizers(capture: Capture) -> Iterator[None]:
    """Within it what this thread's optimizers do belongs to `capture`."""
    running: dict[int, _CapturedStep] = {}

    def before(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # A class with a step of its own is captured as it is: its operations, with the numbers that they have now.
        if capturing() is capture and type(optimizer).step is Optimizer.step:
            running[id(optimizer)] = _CapturedStep(optimizer, capture)

    def after(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if capturing() is capture and id(optimizer) in running:
            running.pop(id(optimizer)).end()

    with register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after):
        try:
            yield
        finally:
            for step in running.values():  # which an error has broken off
                step.restore_settings()


class _CapturedStep:
    """One step of an optimizer within a capture."""

    def __init__(self, optimizer: Optimizer, capture: Capture):
        self.optimizer, self.capture, self.name = optimizer, capture, type(optimizer).__name__
        self.groups = list(optimizer.param_groups)
        params = [param for group in self.groups for param in group["params"]]
        if type(optimizer)._update not in CAPTURABLE:
            capture.refuse(f"a step of {self.name}, whose numbers the host computes: take SGD, Adam or AdamW")
        if not all(param.is_cuda for param in params):
            capture.refuse(f"{self.name}'s parameters on the CPU")
        self.changing = CAPTURABLE[type(optimizer)._update]
        self.fixed = self._fixed()
        self.state = {param: dict(optimizer.state.get(param, {})) for param in params}
        self.counts = [(state["step"].array, state["step"].item()) for state in self.state.values() if "step" in state]
        self.settings = [{name: group[name] for name in self.changing} for group in self.groups]
        # What the kernels are given instead.
        self.numbers = [
            {name: np.array(_first(value), np.float64) for name, value in group.items()} for group in self.settings
        ]
        for group, numbers in zip(self.groups, self.numbers, strict=True):
            for name, number in numbers.items():
                group[name] = (number, *group[name][1:]) if isinstance(group[name], tuple | list) else number
        self.stepped: list[Tensor] = []
        capture.on_replay(self._count)  # before the step asks for places: at a replay it is to be counted first

    def end(self) -> None:
        """Check that the step was not the first, and say when it can be replayed."""
        self.restore_settings()
        if any(self.optimizer.state.get(param, {}).keys() != entries.keys() for param, entries in self.state.items()):
            self.optimizer.state.update(self.state)
            self.capture.refuse(f"the first step of {self.name}, which makes its state: run a step or two before")
        self.stepped = [param for param in self.state if param.grad is not None]
        arrays = self._arrays()
        self.capture.expect(lambda: self.fixed == self._fixed() and all(map(is_, arrays, self._arrays())))

    def restore_settings(self) -> None:
        """Give the optimizer its settings back."""
        for group, settings in zip(self.groups, self.settings, strict=True):
            group.update(settings)

    def _count(self, times: int) -> None:
        """The host's part of a replay; with -1 of the capture itself, which was no step."""
        for group, numbers in zip(self.groups, self.numbers, strict=True):
            for name, number in numbers.items():
                number[...] = _first(group[name])
        for count, value in self.counts if times < 0 else ():
            count[...] = value
        for param in self.stepped:
            param._bump_version()
            if times > 0 and "step" in self.optimizer.state[param]:
                self.optimizer.state[param]["step"].array[...] += times

    def _fixed(self) -> list[dict[str, Any]]:
        """What a graph has as values: the settings, but for the numbers that it finds in memory."""
        return [
            {name: self.changing[name](value) if name in self.changing else value for name, value in group.items()}
            | {"params": [id(param) for param in group["params"]]}
            for group in self.optimizer.param_groups
        ]

    def _arrays(self) -> list[Any]:
        """The memory that the step writes."""
        entries = [self.optimizer.state[param].get(name) for param in self.stepped for name in self._names()]
        return [None if tensor is None else tensor.array for tensor in (*self.stepped, *entries)]

    def _names(self) -> tuple[str, ...]:
        return (*self.optimizer._parameter_shaped, "step")


def _first(setting: Any) -> float:
    return setting[0] if isinstance(setting, tuple | list) else setting
