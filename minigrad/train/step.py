"""A training step: from a batch, or several, to new weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from minigrad.cuda import make_graphed_step
from minigrad.generator import get_rng_state, set_rng_state
from minigrad.kernels import cuda
from minigrad.nn import Module
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor
from minigrad.train.logs import EVERY
from minigrad.train.mixup import mixup
from minigrad.train.nonfinite import NonFiniteLoss, first_nonfinite


class TrainingStep:
    """`backward` for each batch, `update` after every `accumulate` of them; for the arguments see Trainer."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        criterion: Callable[[Any, Tensor], Tensor],
        augment: Callable[[Tensor], Tensor] | None,
        mixup: float | None,
        accumulate: int,
        clip_norm: float | None,
        clip_value: float | None,
    ):
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.augment, self.mixup = augment, mixup
        self.accumulate = accumulate
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.waiting = 0  # samples whose gradients wait for the update

    def backward(self, images: Tensor, targets: Tensor) -> tuple[float, Tensor, Tensor]:
        """Add up the gradients of a batch's mean loss; the loss, the logits, and the labels they are to show.

        With mixup the labels are those of the pictures that are seen more clearly. NonFiniteLoss if the loss is NaN
        or infinite: nothing has been added then.
        """
        if self.waiting == 0:
            self.optimizer.zero_grad()
        if self.augment is not None:
            images = self.augment(images)
        labels, partners, share = targets, targets, 1.0
        if self.mixup is not None:
            images, labels, partners, share = mixup(images, targets, self.mixup)

        def forward() -> tuple[Any, Tensor]:
            output = self.model(images)
            loss = self.criterion(output, labels)
            if share < 1:
                loss = share * loss + (1 - share) * self.criterion(output, partners)
            return output, loss

        generator = get_rng_state()
        output, loss = forward()
        value = loss.item()  # a GPU is waited for here: the price of stopping before the step
        if not math.isfinite(value):
            set_rng_state(generator)  # the same dropout again
            raise NonFiniteLoss(f"the loss is {value}: {first_nonfinite(self.model, images, forward)}")
        # Batches need not be of one size: what waits is the sum over samples, and `update` makes it their mean.
        (loss if self.accumulate == 1 else loss * len(targets)).backward()
        self.waiting += len(targets)
        return value, logits_of(output), labels if share >= 0.5 else partners

    def update(self) -> None:
        """Move the weights along the gradients that wait."""
        if self.accumulate > 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(1 / self.waiting)
        if self.clip_value is not None:
            clip_grad_value_(self.parameters, self.clip_value)
        if self.clip_norm is not None:
            clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        self.waiting = 0


class GraphedTrainingStep(TrainingStep):
    """The whole step as one CUDA graph, taken by `backward`; the same weights come of it, bit for bit.

    The host waits for the GPU, to look at the loss, in one step of 50; what it sees too late, it cannot prevent.
    """

    def __init__(self, *args: Any):
        super().__init__(*args)
        if self.accumulate > 1 or self.mixup is not None:
            raise ValueError("Trainer: cuda_graph cannot be had together with accumulate or mixup")
        self._step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = make_graphed_step(self._whole)
        self._taken = 0

    def _whole(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad()
        output = self.model(images)
        loss = self.criterion(output, targets)
        loss.backward()
        super().update()
        return loss.detach(), logits_of(output).detach()

    def backward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Move the weights along the gradient of a batch's mean loss; the loss, the logits, and the labels."""
        if self.augment is not None:
            images = self.augment(images)
        try:
            loss, logits = self._step(images, targets)
        except cuda.CaptureError as error:
            warnings.warn(f"training goes on without a CUDA graph, step by step: {error}", stacklevel=2)
            self._step = self._whole
            loss, logits = self._step(images, targets)
        if self._taken % EVERY == 0 and not math.isfinite(value := loss.item()):
            raise NonFiniteLoss(
                f"the loss is {value}, in this step or one of the {EVERY} before; where it came up can "
                "be told without cuda_graph"
            )
        self._taken += 1
        return loss, logits, targets

    def update(self) -> None:
        """Nothing: `backward` has done it."""


def logits_of(output: Any) -> Tensor:
    """The output itself, or the first of several (GoogLeNet's in training)."""
    return output[0] if isinstance(output, tuple) else output
