"""Schedules along a cosine, once or with restarts."""

from __future__ import annotations

import math

from minigrad.optim.lr_scheduler.scheduler import LRScheduler, current_lr
from minigrad.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """Lower the learning rate along half a cosine, to `eta_min` at `T_max`.

        lr = eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Beyond T_max the cosine continues, and the learning rate rises again.

    Args:
        optimizer: the optimizer.
        T_max: the epochs of half a period.
        eta_min: the lowest learning rate.
        last_epoch: as for LRScheduler.

    Raises:
        ValueError: `T_max` is not positive.
        KeyError: as for LRScheduler.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), without restarts.

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
        >>> for epoch in range(5):
        ...     print(round(optimizer.param_groups[0]["lr"], 4))
        ...     optimizer.step()
        ...     schedule.step()
        1.0
        0.8536
        0.5
        0.1464
        0.0
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        if T_max <= 0:
            raise ValueError(f"CosineAnnealingLR: Expected positive T_max, but got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        lrs = current_lr(self.optimizer)
        if self._step_count == 1:
            return lrs
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:
            # The epoch before was a lowest point, lr = eta_min, from which no factor leads up again.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(lrs, self.base_lrs, strict=True)]
        before, now = (1 + math.cos(math.pi * t / self.T_max) for t in (self.last_epoch - 1, self.last_epoch))
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in lrs]

    def closed_form_lr(self) -> list[float]:
        return [anneal(lr, self.eta_min, self.last_epoch / self.T_max) for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Anneal along a cosine that restarts after T_0 epochs, then after T_0 * T_mult, T_0 * T_mult^2, ...

        lr = eta_min + (base_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2

    T_cur epochs have passed since the restart, of the T_i until the next.

    Args:
        optimizer: the optimizer.
        T_0: the epochs until the first restart.
        T_mult: the factor by which periods grow.
        eta_min: the lowest learning rate.
        last_epoch: as for LRScheduler.

    Raises:
        ValueError: `T_0` or `T_mult` is not a positive int, or `eta_min` is not a number.
        KeyError: as for LRScheduler.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).

    Examples:
        >>> optimizer = mg.optim.SGD([nn.Parameter(mg.zeros(1))], lr=1.0)
        >>> schedule = mg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> for epoch in range(4):
        ...     print(round(optimizer.param_groups[0]["lr"], 4))
        ...     optimizer.step()
        ...     schedule.step()
        1.0
        0.5
        1.0
        0.5
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                "CosineAnnealingWarmRestarts: Expected float or int eta_min, "
                f"but got {eta_min} of type {type(eta_min).__name__}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [anneal(lr, self.eta_min, self.T_cur / self.T_i) for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Advance by one epoch, or to `epoch`, which may be fractional: ``epoch + batch / batches``."""
        self._step_count += 1
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is not None:
            self.jump(epoch)
            return
        self.last_epoch += 1
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult
        self._set_lr(self.get_lr())

    def jump(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: Expected non-negative epoch, but got {epoch}")
        self.last_epoch = math.floor(epoch)
        self.T_cur, self.T_i = epoch, self.T_0
        if self.T_mult == 1:
            self.T_cur %= self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self._set_lr(self.get_lr())


def anneal(start: float, end: float, progress: float) -> float:
    """From `start` at progress 0 to `end` at progress 1, along half a period of the cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
