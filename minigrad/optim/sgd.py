"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.device import array_module
from minigrad.kernels import implementation
from minigrad.optim.optimizer import Optimizer, alike, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (heavy ball, or Nesterov's).

    With gradient g and momentum mu:

        g <- g + weight_decay * p
        v <- mu * v + (1 - dampening) * g          (v = g at the first step)
        p <- p - lr * v                            (Nesterov: p - lr * (g + mu * v))

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr: the learning rate.
        momentum: the share of the last step's direction that is kept, mu.
        dampening: the share of the gradient that momentum drops.
        weight_decay: the factor of an L2 penalty, added to the gradient.
        nesterov: use Nesterov's momentum.
        maximize: ascend instead of descend.

    Raises:
        ValueError: a number is negative, or Nesterov's momentum is asked for without momentum or with dampening.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), with the
    learning rate inside v; here, as in PyTorch, it is outside, so that a change of lr acts at once.

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0]))
        >>> optimizer = mg.optim.SGD([p], lr=0.1, momentum=0.9)
        >>> for step in range(2):
        ...     p.grad = mg.tensor([1.0])
        ...     optimizer.step()
        ...     print(round(p.item(), 4))
        0.9
        0.71
    """

    _parameter_shaped = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        check_not_negative(self, "momentum value", momentum)
        check_not_negative(self, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        has_momentum = group["momentum"] != 0

        def is_first_step(param: Tensor) -> bool:
            return has_momentum and self.state[param].get("momentum_buffer") is None

        for part in alike(params, is_first_step):
            first_step = is_first_step(part[0])
            buffers = []
            for param in part if has_momentum else ():
                if first_step:
                    self.state[param]["momentum_buffer"] = from_array(array_module(param.array).empty_like(param.array))
                buffers.append(self.state[param]["momentum_buffer"].array)
            implementation("optimizer", part[0].array).sgd(
                [param.array for param in part],
                [gradient(param) for param in part],
                buffers,
                group["lr"],
                group["momentum"],
                group["dampening"],
                group["weight_decay"],
                group["nesterov"],
                group["maximize"],
                first_step,
            )
