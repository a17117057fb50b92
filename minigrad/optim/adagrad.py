"""Adagrad: steps divided by the root of the summed squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.optim.optimizer import Optimizer, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class Adagrad(Optimizer):
    """Adagrad: a coordinate's step shrinks with all the gradient it has seen.

    At step t, with gradient g:

        g <- g + weight_decay * p
        s <- s + g^2                               (s = initial_accumulator_value at the start)
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization"
    (2011).
    """

    _parameter_shaped = ("sum",)

    def __init__(
        self,
        params: Iterable,
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
