"""Adadelta: steps in the parameter's own units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.optim.optimizer import Optimizer, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class Adadelta(Optimizer):
    """Rescale the gradient by the ratio of recent steps to recent gradients.

    With gradient g, u the running mean of squared gradients, and w that of squared steps:

        g     <- g + weight_decay * p
        u     <- rho * u + (1 - rho) * g^2
        delta <- sqrt(w + eps) / sqrt(u + eps) * g
        w     <- rho * w + (1 - rho) * delta^2
        p     <- p - lr * delta

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr: the learning rate.
        rho: the share that the running means keep.
        eps: added inside the roots.
        weight_decay: the factor of an L2 penalty, added to the gradient.
        maximize: ascend instead of descend.

    Raises:
        ValueError: a number is out of its range.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method" (2012), where lr is 1.

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0, 1.0]))
        >>> optimizer = mg.optim.Adadelta([p])
        >>> p.grad = mg.tensor([0.01, 100.0])
        >>> optimizer.step()
        >>> p.detach()  # the step depends little on the gradient's scale
        tensor([0.9970, 0.9968])
    """

    _parameter_shaped = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        if not 0 <= rho <= 1:
            raise ValueError(f"Adadelta: Invalid rho value: {rho}")
        check_not_negative(self, "epsilon value", eps)
        check_not_negative(self, "weight_decay value", weight_decay)
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        for param in params:
            state, p = self.state[param], param.array
            g = -gradient(param) if group["maximize"] else gradient(param)
            if not state:
                state["step"] = from_array(np.zeros((), np.float32))
                state["square_avg"] = from_array(np.zeros_like(p))
                state["acc_delta"] = from_array(np.zeros_like(p))
            state["step"].array[...] += 1
            u, w = state["square_avg"].array, state["acc_delta"].array

            if group["weight_decay"] != 0:
                g = g + group["weight_decay"] * p
            u *= rho
            u += (1 - rho) * g * g
            delta = np.sqrt(w + eps) / np.sqrt(u + eps) * g
            w *= rho
            w += (1 - rho) * delta * delta
            p -= group["lr"] * delta
