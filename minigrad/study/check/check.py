"""`study.check`: run one training step and report what looks wrong, each with a sentence of advice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.nn import Module
from minigrad.study.check.mistakes import MISTAKES
from minigrad.study.check.rehearsal import rehearse
from minigrad.study.check.report import Report
from minigrad.tensor import Tensor


def check(
    model: Module,
    batch: tuple[Any, Any],
    loss: Callable[[Any, Any], Tensor] | None = None,
    optimizer: Any = None,
) -> Report:
    """What is wrong with training `model` on `batch` = (inputs, targets); prints "nothing found" when all is well.

    Call it where a step begins: after `model.train()` and `optimizer.zero_grad()`, before the forward pass.

        report = study.check(model, next(iter(loader)), optimizer=optimizer)

    Looked for are: inputs that are not normalised, targets out of range, NaN and infinity, evaluation mode,
    parameters without a gradient or unknown to the `optimizer`, gradients not zeroed, softmax before cross-entropy, a
    loss far above log(classes), vanishing and exploding gradients, dead ReLUs, saturated sigmoids, and weights of a
    wrong scale. `inputs` may be a tuple, the model's arguments. `loss(outputs, targets)` gives a scalar; None takes
    cross-entropy for classes and the mean squared error for real targets. The step is run in the model's own mode;
    parameters, gradients, buffers, modes and the default generator are left as they were.
    """
    if not isinstance(model, Module):
        raise TypeError(f"check: model must be a Module, got {type(model).__name__}")
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError("check: batch must be a pair (inputs, targets), as a DataLoader gives it")
    inputs, targets = batch
    arguments = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    if not all(isinstance(x, Tensor) for x in [*arguments, targets]):
        kinds = ", ".join(type(x).__name__ for x in [*arguments, targets])
        raise TypeError(f"check: inputs and targets must be Tensors, got {kinds}")
    step = rehearse(model, arguments, targets, loss, optimizer)
    return Report(finding for mistake in MISTAKES for finding in mistake(step))
