"""LRScheduler: what all schedules share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from minigrad.optim.optimizer import Optimizer


class LRScheduler:
    """Base class: counts the steps and writes what `get_lr` returns into each parameter group.

    A schedule that is a factor on the present learning rate is written so in `get_lr`: then two schedules on one
    optimizer multiply, and a change made by hand is kept. `closed_form_lr` is the same schedule as a function of the
    epoch; it is used when an epoch is jumped to.

    Args:
        optimizer: the optimizer.
        last_epoch: -1 to begin; otherwise the epoch to resume at, with an optimizer whose state was loaded.

    Attributes:
        last_epoch: the number of steps taken, which PyTorch calls epochs, whatever they are.
        base_lrs: the learning rate that each group had at the start ("initial_lr" in the group).

    Raises:
        KeyError: `last_epoch` is given, and the optimizer's groups have no "initial_lr".

    Examples:
        >>> class Halve(mg.optim.lr_scheduler.LRScheduler):
        ...     def closed_form_lr(self):
        ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
        ...
        ...     get_lr = closed_form_lr
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = Halve(optimizer)
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    f"last_epoch = {last_epoch}: load the optimizer's state first, or begin "
                    "with last_epoch = -1"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.start()

    def start(self) -> None:
        """Set the first learning rate."""
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[float]:
        """Compute the learning rate of each group at `last_epoch` from the present one (to read it: `get_last_lr`).

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_lr")

    def closed_form_lr(self) -> list[float]:
        """Compute the learning rate of each group at `last_epoch` from `base_lrs`."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Advance by one epoch, or to `epoch`. Call it after `optimizer.step()`."""
        # A user's optimizer with its own `step` does not tell whether it was called.
        tells = type(self.optimizer).step is Optimizer.step
        if self._step_count == 1 and tells and not self.optimizer._has_stepped:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the "
                "learning rate schedule is skipped",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            self._set_lr(self.get_lr())
        else:
            self.jump(epoch)

    def jump(self, epoch: int) -> None:
        """Set the learning rate of `epoch`, independently of the one before."""
        self.last_epoch = epoch
        self._set_lr(self.closed_form_lr())

    def _set_lr(self, values: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            group["lr"] = lr
        self._last_lr = current_lr(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, by attribute name; the names are PyTorch's."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`, saved by this class in minigrad or PyTorch."""
        self.__dict__.update(state_dict)


def current_lr(optimizer: Optimizer) -> list[float]:
    """The learning rate in force, by group."""
    return [group["lr"] for group in optimizer.param_groups]


def check_optimizer(scheduler: LRScheduler, optimizer: Optimizer) -> None:
    """Refuse what is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: {type(optimizer).__name__} is not an Optimizer")


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value` itself if it is a list with an entry for each group, else as many copies of it."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, Sequence):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"OneCycleLR: {name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {groups}."
        )
    return list(value)
