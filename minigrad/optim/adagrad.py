"""Adagrad: steps divided by the root of the summed squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.optim.optimizer import Optimizer, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class Adagrad(Optimizer):
    """Divide each coordinate's step by the root of all its squared gradients so far.

    At step t, with gradient g:

        g <- g + weight_decay * p
        s <- s + g^2                               (s = initial_accumulator_value at the start)
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr: the learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: the factor of an L2 penalty, added to the gradient.
        initial_accumulator_value: where s starts.
        eps: added to the root.
        maximize: ascend instead of descend.

    Raises:
        ValueError: a number is negative.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization" (2011).

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0]))
        >>> optimizer = mg.optim.Adagrad([p], lr=0.1)
        >>> for step in range(3):
        ...     p.grad = mg.tensor([5.0])
        ...     optimizer.step()
        ...     print(round(p.item(), 4))
        0.9
        0.8293
        0.7716
    """

    _parameter_shaped = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        check_not_negative(self, "lr_decay value", lr_decay)
        check_not_negative(self, "weight_decay value", weight_decay)
        check_not_negative(self, "initial_accumulator_value value", initial_accumulator_value)
        check_not_negative(self, "epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for param in group["params"]:
            total = np.full_like(param.array, group["initial_accumulator_value"])
            self.state[param] = {"step": from_array(np.zeros((), np.float32)), "sum": from_array(total)}

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for param in params:
            state, p = self.state[param], param.array
            g = -gradient(param) if group["maximize"] else gradient(param)
            state["step"].array[...] += 1
            t, s = int(state["step"].array), state["sum"].array

            if group["weight_decay"] != 0:
                g = g + group["weight_decay"] * p
            s += g * g
            p -= group["lr"] / (1 + (t - 1) * group["lr_decay"]) * g / (np.sqrt(s) + group["eps"])
