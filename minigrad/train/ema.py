"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.autograd import no_grad
from minigrad.nn import Module
from minigrad.tensor import Tensor


class EMA:
    """An exponential moving average of all parameters and floating-point buffers of a model.

        average <- d average + (1 - d) weights,    d = min(decay, (1 + t) / (10 + t)) after t updates

    It often generalises better than the last weights. The smaller d at the start, as in TensorFlow, lets the average
    forget the random initial weights. Buffers of integers are copied.

    Args:
        model: the model.
        decay: the share that the average keeps, below 1.

    Raises:
        ValueError: `decay` is outside [0, 1).

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).

    Examples:
        >>> from minigrad.train import EMA
        >>> model = nn.Linear(1, 1)
        >>> average = EMA(model, decay=0.9)
        >>> _ = nn.init.constant_(model.weight, 100.0)
        >>> average.update()
        >>> with average.applied():
        ...     inside = model.weight.item()
        >>> inside < model.weight.item()
        True
    """

    def __init__(self, model: Module, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be in [0, 1), got {decay}")
        self.model = model
        self.decay = decay
        self.updates = 0
        self.average: dict[str, Tensor] = _copies(model)

    def update(self) -> None:
        """Add the model's present weights to the average, after each step."""
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, weight in self.model.state_dict().items():
            average = self.average[name].array  # arrays: for LeNet-5 a sixth of the time that tensors would take
            if weight.is_floating_point():
                average *= keep
                average += (1 - keep) * weight.array
            else:
                average[...] = weight.array

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average's weights, within a `with` block."""
        own = _copies(self.model)
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """Return the average and the number of updates."""
        return {"updates": self.updates, "average": self.average}

    @no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict` from an average of the same model."""
        self.updates = state_dict["updates"]
        for name, weight in state_dict["average"].items():
            self.average[name].copy_(weight)


def _copies(model: Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}
