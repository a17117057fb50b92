"""Finding where a NaN or infinite loss comes from."""

from __future__ import annotations

import math
from collections.abc import Callable

from minigrad.nn import Module
from minigrad.ops.comparison import isfinite
from minigrad.record.records import Operation
from minigrad.record.trace import trace
from minigrad.tensor import Tensor


class NonFiniteLoss(RuntimeError):
    """The training was stopped because a number in it was NaN or infinite; the message names where it arose.

    Examples:
        >>> from minigrad.train import NonFiniteLoss, Trainer
        >>> model = nn.Linear(1, 2)
        >>> trainer = Trainer(model, mg.optim.SGD(model.parameters(), lr=0.1), progress=False)
        >>> try:
        ...     _ = trainer.fit([(mg.full((2, 1), float("nan")), mg.tensor([0, 1]))])
        ... except NonFiniteLoss:
        ...     print("stopped before the step")
        stopped before the step
    """


def nonfinite_weight(model: Module) -> str | None:
    """In words, the first parameter or buffer that holds a NaN or an infinity."""
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not isfinite(weight).all().item():
            return (
                f"{name!r} is not finite, though the loss was: look with autograd.detect_anomaly() at the step before"
            )
    return None


def first_nonfinite(model: Module, images: Tensor, forward: Callable[[], object]) -> str:
    """The first thing in a step that holds a NaN or an infinity: its pictures, a weight, or an operation's result.

    `forward` computes the step's loss once more; it is watched operation by operation.
    """
    if images.is_floating_point() and not isfinite(images).all().item():
        return "it is in the pictures of the batch"
    parameters = [name for name, p in model.named_parameters() if not isfinite(p.detach()).all().item()]
    if parameters:
        return f"it is in the parameter {parameters[0]!r}, since an earlier step: its gradient was not finite"
    with trace() as operations:
        forward()
    for record in operations.forward:
        if isinstance(record, Operation) and any(
            value.statistics is not None and not math.isfinite(value.statistics.norm) for value in record.outputs
        ):
            place = f" of {record.module_class} {record.module!r}" if record.module else ""
            line = f" ({record.source}: {record.source.text})" if record.source and record.source.text else ""
            return f"the first operation that made one is {record.name}{place}{line}"
    return "the same step repeated made none"
