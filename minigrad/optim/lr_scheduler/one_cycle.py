"""The one-cycle schedule: the learning rate rises and falls once, and momentum moves the other way."""

from __future__ import annotations

from typing import Any

from minigrad.optim.lr_scheduler.cosine import anneal
from minigrad.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer, for_each_group
from minigrad.optim.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """Raise the learning rate to `max_lr`, then lower it far below its start; momentum moves the other way.

    It rises from initial_lr = max_lr / div_factor during the share `pct_start` of the steps, then falls to
    initial_lr / final_div_factor. Call `step` after each batch.

    Args:
        optimizer: the optimizer.
        max_lr: the peak, a number or a list with one for each group.
        total_steps: the length of the cycle; or give `epochs` and `steps_per_epoch`, whose product it is.
        epochs, steps_per_epoch: see `total_steps`.
        pct_start: the share of the steps in which the learning rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move the momentum (or the first beta) between `max_momentum` and `base_momentum`.
        base_momentum, max_momentum: numbers, or lists with one for each group.
        div_factor, final_div_factor: see above.
        three_phase: fall to initial_lr as fast as it rose, then further.
        last_epoch: as for LRScheduler.

    Raises:
        ValueError: the length is missing, a number is out of its range, `anneal_strategy` is unknown, or the optimizer
            has no momentum to be cycled.
        KeyError: as for LRScheduler.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates"
    (2018), in fastai's form.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0, momentum=0.9)
        >>> schedule = mg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.5)
        >>> for step in range(5):
        ...     print(round(optimizer.param_groups[0]["lr"], 3), round(optimizer.param_groups[0]["momentum"], 3))
        ...     optimizer.step()
        ...     if step < 4:
        ...         schedule.step()
        0.04 0.95
        0.76 0.875
        0.905 0.86
        0.345 0.915
        0.0 0.95
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        check_optimizer(self, optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: You must define either total_steps OR (epochs AND steps_per_epoch)")
            check_positive_integer("epochs", epochs)
            check_positive_integer("steps_per_epoch", steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        check_positive_integer("total_steps", total_steps)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                "OneCycleLR: optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
            )

        self.total_steps = total_steps
        self.cycle_momentum = cycle_momentum
        self.use_beta1 = "betas" in optimizer.defaults
        self._anneal_func_type = anneal_strategy
        top = pct_start * total_steps - 1
        up = leg_of_cycle(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if three_phase:
            self._schedule_phases = [
                up,
                leg_of_cycle(2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                leg_of_cycle(total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases = [
                up,
                leg_of_cycle(total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]

        if last_epoch == -1:
            self._begin(optimizer, max_lr, base_momentum, max_momentum, div_factor, final_div_factor)
        super().__init__(optimizer, last_epoch)

    def _begin(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        base_momentum: float | list[float],
        max_momentum: float | list[float],
        div_factor: float,
        final_div_factor: float,
    ) -> None:
        """Write the cycle's turning points into the groups, where they are saved with the optimizer."""
        max_lrs = for_each_group("max_lr", optimizer, max_lr)
        max_momentums = for_each_group("max_momentum", optimizer, max_momentum)
        base_momentums = for_each_group("base_momentum", optimizer, base_momentum)
        for i, group in enumerate(optimizer.param_groups):
            group["initial_lr"] = max_lrs[i] / div_factor
            group["max_lr"] = max_lrs[i]
            group["min_lr"] = group["initial_lr"] / final_div_factor
            if self.cycle_momentum:
                group["max_momentum"] = max_momentums[i]
                group["base_momentum"] = base_momentums[i]

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: Tried to step {self.last_epoch} times. The specified number of total "
                f"steps is {self.total_steps}"
            )
        start = 0.0
        for leg in self._schedule_phases[:-1]:
            if self.last_epoch <= leg["end_step"]:
                break
            start = leg["end_step"]
        else:
            leg = self._schedule_phases[-1]
        length = leg["end_step"] - start
        progress = (self.last_epoch - start) / length if length > 0 else 1.0

        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                momentum = self._between(group, leg["start_momentum"], leg["end_momentum"], progress)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return [self._between(group, leg["start_lr"], leg["end_lr"], progress) for group in self.optimizer.param_groups]

    def _between(self, group: dict[str, Any], start: str, end: str, progress: float) -> float:
        if self._anneal_func_type == "linear":
            return (group[end] - group[start]) * progress + group[start]
        return anneal(group[start], group[end], progress)


def leg_of_cycle(end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    """One leg of the cycle: the step it ends at, and the entries of a group between which it leads."""
    return {
        "end_step": float(end_step),
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


def check_positive_integer(name: str, value: int) -> None:
    """Refuse a count that is none."""
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"OneCycleLR: Expected positive integer {name}, but got {value}")
