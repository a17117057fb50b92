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
    """Run one training step and report what looks wrong with it.

    Call it where a step begins: after `model.train()` and `optimizer.zero_grad()`, before the forward pass. Looked for
    are inputs that are not normalised, targets out of range, NaN and infinity, evaluation mode, parameters without a
    gradient or unknown to the optimizer, gradients that were not zeroed, softmax before cross-entropy, a loss far above
    log(classes), vanishing and exploding gradients, dead ReLUs, saturated sigmoids, and weights of a wrong scale.
    Parameters, gradients, buffers, modes and the default generator are left as they were.

    Args:
        model: the model, in the mode in which it is trained.
        batch: a pair (inputs, targets), as a DataLoader gives it; inputs may be a tuple, the model's arguments.
        loss: a function of (outputs, targets) that returns a scalar; None means cross-entropy for classes and the mean
            squared error for real targets.
        optimizer: the optimizer, if its parameters are to be compared with the model's.

    Returns:
        A `Report`: a tuple of findings, the gravest first, that prints as a list; empty if nothing was found.

    Raises:
        TypeError: the model returns no tensor.
        ValueError: the loss is not a tensor of one element.

    Examples:
        >>> from minigrad import study, vision
        >>> study.check(vision.models.lenet5(), (mg.randn(8, 1, 28, 28), mg.arange(8)))
        nothing found
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
