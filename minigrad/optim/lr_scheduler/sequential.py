"""Schedules one after the other."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from minigrad.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minigrad.optim.lr_scheduler.scheduler import LRScheduler
from minigrad.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """Follow one schedule after another: schedulers[i + 1], from its own epoch 0, from epoch milestones[i] on.

    Args:
        optimizer: the optimizer.
        schedulers: schedules of that optimizer, one more than there are milestones.
        milestones: the epochs at which the next schedule begins.
        last_epoch: as for LRScheduler.

    Raises:
        TypeError: a scheduler has no optimizer.
        ValueError: the numbers do not fit, a scheduler is of another optimizer, or is a ReduceLROnPlateau.

    Examples:
        >>> from minigrad.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> schedule = SequentialLR(optimizer, [warm_up, ExponentialLR(optimizer, gamma=0.5)], milestones=[2])
        >>> for epoch in range(4):
        ...     print(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     schedule.step()
        0.5
        0.75
        1.0
        0.5
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ):
        if not schedulers:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"SequentialLR at index {i} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    "SequentialLR does not support `ReduceLROnPlateau`, whose `step` needs a metric, "
                    f"but got one at index {i}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    "SequentialLR expects all schedulers to belong to the same optimizer, but the "
                    f"{type(scheduler).__name__} at index {i} has another"
                )
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the "
                f"number of milestone points, but got {len(schedulers)} schedulers and {len(milestones)} "
                "milestones"
            )
        self.optimizer = optimizer
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1

        # Each scheduler took its first step when it was made, and so changed the learning rate: undo that.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _undo_first_step(self)
        first = schedulers[bisect_right(milestones, 0)]
        first.start()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Advance by one epoch."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler.jump(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        schedulers = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for scheduler, saved in zip(schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)


def _undo_first_step(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, SequentialLR):
        for child in scheduler._schedulers:
            _undo_first_step(child)
    else:
        scheduler.last_epoch -= 1
