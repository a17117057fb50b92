"""Schedules that multiply the learning rate: by steps, exponentially, linearly, by a function."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from minigrad.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer, current_lr
from minigrad.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """Compute the learning rate by a function of the epoch: lr = base_lr * lr_lambda(epoch).

    Args:
        optimizer: the optimizer.
        lr_lambda: the function, or a list with one for each group. A plain function is not part of `state_dict`; of a
            callable object the `__dict__` is.
        last_epoch: as for LRScheduler.

    Raises:
        TypeError: `lr_lambda` is not callable.
        ValueError: the list has another length than the groups.
        KeyError: as for LRScheduler.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != groups:
                raise ValueError(f"{type(self).__name__}: Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(
                    f"{type(self).__name__}: lr_lambda must be a function of the epoch, got {type(function).__name__}"
                )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            base_lr * factor(self.last_epoch) for base_lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        saved = [
            None if isinstance(function, types.FunctionType) else dict(getattr(function, "__dict__", {}))
            for function in self.lr_lambdas
        ]
        return {**super().state_dict(), "lr_lambdas": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        lr_lambdas = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = lr_lambdas
        for function, saved in zip(lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                function.__dict__.update(saved)


class StepLR(LRScheduler):
    """Multiply the learning rate by `gamma` every `step_size` epochs: lr = base_lr * gamma^(epoch // step_size).

    Args:
        optimizer: the optimizer.
        step_size: the epochs between two reductions.
        gamma: the factor.
        last_epoch: as for LRScheduler.

    Raises:
        ValueError: `step_size` is not positive.
        KeyError: as for LRScheduler.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.StepLR(optimizer, step_size=2)
        >>> for epoch in range(4):
        ...     print(round(optimizer.param_groups[0]["lr"], 4))
        ...     optimizer.step()
        ...     schedule.step()
        1.0
        1.0
        0.1
        0.1
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        if step_size <= 0:
            raise ValueError(f"StepLR: Expected positive step_size, but got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        lrs = current_lr(self.optimizer)
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return lrs
        return [lr * self.gamma for lr in lrs]

    def closed_form_lr(self) -> list[float]:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the learning rate by `gamma` at each milestone; one that is listed twice counts twice.

    Args:
        optimizer: the optimizer.
        milestones: the epochs.
        gamma: the factor.
        last_epoch: as for LRScheduler.

    Raises:
        TypeError: a milestone is not an int.
        KeyError: as for LRScheduler.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3])
        >>> for epoch in range(4):
        ...     print(round(optimizer.param_groups[0]["lr"], 4))
        ...     optimizer.step()
        ...     schedule.step()
        1.0
        0.1
        0.1
        0.01
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        milestones = list(milestones) if isinstance(milestones, Iterable) else milestones
        if not isinstance(milestones, list) or not all([isinstance(milestone, int) for milestone in milestones]):
            raise TypeError(f"MultiStepLR: milestones must be epochs, ints, got {milestones}")
        # A plain dictionary, epoch: count, which every file format can hold.
        self.milestones = dict(Counter(milestones))
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
        return [lr * factor for lr in current_lr(self.optimizer)]

    def closed_form_lr(self) -> list[float]:
        reached = sum(count for epoch, count in self.milestones.items() if epoch <= self.last_epoch)
        return [lr * self.gamma**reached for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the learning rate by `gamma` in every epoch: lr = base_lr * gamma^epoch.

    Args:
        optimizer: the optimizer.
        gamma: the factor.
        last_epoch: as for LRScheduler.

    Raises:
        KeyError: as for LRScheduler.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> for epoch in range(3):
        ...     print(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     schedule.step()
        1.0
        0.5
        0.25
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        lrs = current_lr(self.optimizer)
        if self._step_count == 1:
            return lrs
        return [lr * self.gamma for lr in lrs]

    def closed_form_lr(self) -> list[float]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """Warm up: multiply the learning rate by a factor that moves linearly from `start_factor` to `end_factor`.

    Args:
        optimizer: the optimizer.
        start_factor, end_factor: the factor at the beginning and the end.
        total_iters: over how many epochs it moves.
        last_epoch: as for LRScheduler.

    Raises:
        ValueError: a factor is outside its range, or `total_iters` is not positive.
        KeyError: as for LRScheduler.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
        >>> for epoch in range(4):
        ...     print(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     schedule.step()
        0.25
        0.5
        0.75
        1.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 < start_factor <= 1:
            raise ValueError(
                "LinearLR: Starting multiplicative factor expected to be greater than 0 and less or equal to 1, "
                f"got start_factor = {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: Ending multiplicative factor expected to be between 0 and 1, got end_factor = {end_factor}"
            )
        if total_iters <= 0:
            raise ValueError(f"LinearLR: Expected positive total_iters, but got {total_iters}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        lrs = current_lr(self.optimizer)
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in lrs]
        if self._step_count == 1 or self.last_epoch > self.total_iters:
            return lrs
        # The ratio of the factors of this epoch and of the one before, both multiplied by total_iters.
        rise = self.end_factor - self.start_factor
        ratio = 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * ratio for lr in lrs]

    def closed_form_lr(self) -> list[float]:
        progress = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * progress
        return [lr * factor for lr in self.base_lrs]
