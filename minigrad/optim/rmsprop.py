"""RMSprop: steps divided by the root of a running mean of squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.optim.optimizer import Optimizer, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class RMSprop(Optimizer):
    """Divide the gradient by its own recent root mean square.

    With gradient g:

        g <- g + weight_decay * p
        v <- alpha * v + (1 - alpha) * g^2
        r <- sqrt(v) + eps                         (centered: sqrt(v - a^2) + eps, a the running mean of g)
        p <- p - lr * g / r                        (momentum: b <- momentum * b + g / r;  p <- p - lr * b)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr: the learning rate.
        alpha: the share that the running mean v keeps.
        eps: added to the root.
        weight_decay: the factor of an L2 penalty, added to the gradient.
        momentum: the share of the last step's direction that is kept.
        centered: divide by the standard deviation instead of the root mean square.
        maximize: ascend instead of descend.

    Raises:
        ValueError: a number is negative.

    Source: Hinton, Srivastava and Swersky, "Neural networks for machine learning", lecture 6e (2012); centered:
    Graves, "Generating sequences with recurrent neural networks" (2013).

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0, 1.0]))
        >>> optimizer = mg.optim.RMSprop([p], lr=0.01)
        >>> p.grad = mg.tensor([0.01, 100.0])
        >>> optimizer.step()
        >>> p.detach()  # the step does not depend on the gradient's scale
        tensor([0.9000, 0.9000])
    """

    _parameter_shaped = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        check_not_negative(self, "epsilon value", eps)
        check_not_negative(self, "momentum value", momentum)
        check_not_negative(self, "weight_decay value", weight_decay)
        check_not_negative(self, "alpha value", alpha)
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        for param in params:
            state, p = self.state[param], param.array
            g = -gradient(param) if group["maximize"] else gradient(param)
            if not state:
                state["step"] = from_array(np.zeros((), np.float32))
                state["square_avg"] = from_array(np.zeros_like(p))
            if momentum > 0 and "momentum_buffer" not in state:
                state["momentum_buffer"] = from_array(np.zeros_like(p))
            if group["centered"] and "grad_avg" not in state:
                state["grad_avg"] = from_array(np.zeros_like(p))
            state["step"].array[...] += 1
            v = state["square_avg"].array

            if group["weight_decay"] != 0:
                g = g + group["weight_decay"] * p
            v *= alpha
            v += (1 - alpha) * g * g
            root = np.sqrt(v)
            if group["centered"]:
                a = state["grad_avg"].array
                a += (1 - alpha) * (g - a)
                root = np.sqrt(v - a * a)
            root += group["eps"]
            if momentum > 0:
                b = state["momentum_buffer"].array
                b *= momentum
                b += g / root
                p -= group["lr"] * b
            else:
                p -= group["lr"] * g / root
