"""Adam and its relatives: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.kernels import implementation
from minigrad.optim.optimizer import Optimizer, alike, check_betas, check_not_negative, gradient
from minigrad.tensor import Tensor, from_array


class Adam(Optimizer):
    """Momentum, divided by the root of a running mean of the squared gradient.

    At step t, with gradient g:

        g <- g + weight_decay * p                  (decoupled_weight_decay: p <- p * (1 - lr * weight_decay))
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr: the learning rate.
        betas: the shares that the running means m and v keep, (beta1, beta2).
        eps: added to the root.
        weight_decay: the factor of an L2 penalty, added to the gradient.
        amsgrad: divide by the largest v so far (Reddi et al., "On the convergence of Adam and beyond", 2018).
        maximize: ascend instead of descend.
        decoupled_weight_decay: shrink p directly instead, as AdamW does.

    Raises:
        ValueError: a number is out of its range.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization" (2015).

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0, 1.0]))
        >>> optimizer = mg.optim.Adam([p], lr=0.1)
        >>> p.grad = mg.tensor([0.01, -100.0])
        >>> optimizer.step()
        >>> p.detach()  # the first step has the size lr, whatever the gradient's scale
        tensor([0.9000, 1.1000])
    """

    _parameter_shaped = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        check_not_negative(self, "epsilon value", eps)
        if not all(isinstance(beta, float) for beta in betas):
            raise ValueError(f"{type(self).__name__}: betas must be floats, got {betas}")
        check_betas(self, betas)
        check_not_negative(self, "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        amsgrad = group["amsgrad"]
        for param in params:
            state = self.state[param]
            if not state:
                state["step"] = from_array(np.zeros((), np.float32))
                state["exp_avg"] = from_array(np.zeros_like(param.array))
                state["exp_avg_sq"] = from_array(np.zeros_like(param.array))
            if amsgrad and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = from_array(np.zeros_like(param.array))
            state["step"].array[...] += 1

        beta1, beta2 = group["betas"]
        # Parameters may differ in their step: one that had no gradient for a while lags behind.
        for part in alike(params, lambda param: int(self.state[param]["step"].array)):
            states = [self.state[param] for param in part]
            implementation("optimizer", part[0].array).adam(
                [param.array for param in part],
                [gradient(param) for param in part],
                [state["exp_avg"].array for state in states],
                [state["exp_avg_sq"].array for state in states],
                [state["max_exp_avg_sq"].array for state in states] if amsgrad else None,
                states[0]["step"].array,
                group["lr"],
                beta1,
                beta2,
                group["eps"],
                group["weight_decay"],
                group["decoupled_weight_decay"],
                group["maximize"],
            )


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay, and the running means do not see it.

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr, betas, eps, amsgrad, maximize: as for Adam.
        weight_decay: the factor by which parameters shrink, in units of the learning rate.

    Raises:
        ValueError: a number is out of its range.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).

    Examples:
        >>> p = nn.Parameter(mg.tensor([1.0]))
        >>> optimizer = mg.optim.AdamW([p], lr=0.1, weight_decay=0.5)
        >>> p.grad = mg.tensor([0.0])
        >>> optimizer.step()
        >>> round(p.item(), 4)
        0.95
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which is warmed up.

    At step t, with gradient g, m and v as in Adam, and momentum_decay psi:

        mu_t <- beta1 * (1 - 0.96^(t * psi) / 2)
        M_t  <- mu_1 * ... * mu_t
        n    <- mu_(t+1) * m / (1 - M_(t+1)) + (1 - mu_t) * g / (1 - M_t)
        p    <- p - lr * n / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups; see Optimizer.
        lr, betas, eps, weight_decay, decoupled_weight_decay, maximize: as for Adam.
        momentum_decay: how fast the momentum warms up, psi.

    Raises:
        ValueError: a number is out of its range.

    Source: Dozat, "Incorporating Nesterov momentum into Adam" (2016).

    Examples:
        >>> p = nn.Parameter(mg.tensor([3.0]))
        >>> optimizer = mg.optim.NAdam([p], lr=0.1)
        >>> for step in range(100):
        ...     optimizer.zero_grad()
        ...     (p * p).sum().backward()
        ...     optimizer.step()
        >>> abs(p.item()) < 0.3
        True
    """

    _parameter_shaped = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ):
        check_not_negative(self, "learning rate", lr)
        check_not_negative(self, "epsilon value", eps)
        check_betas(self, betas)
        check_not_negative(self, "weight_decay value", weight_decay)
        check_not_negative(self, "momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        lr, weight_decay = group["lr"], group["weight_decay"]
        beta1, beta2 = group["betas"]
        for param in params:
            state, p = self.state[param], param.array
            g = -gradient(param) if group["maximize"] else gradient(param)
            if not state:
                state["step"] = from_array(np.zeros((), np.float32))
                state["mu_product"] = from_array(np.ones((), np.float32))
                state["exp_avg"] = from_array(np.zeros_like(p))
                state["exp_avg_sq"] = from_array(np.zeros_like(p))
            state["step"].array[...] += 1
            t, m, v = int(state["step"].array), state["exp_avg"].array, state["exp_avg_sq"].array

            if group["decoupled_weight_decay"]:
                p *= 1 - lr * weight_decay
            elif weight_decay != 0:
                g = g + weight_decay * p
            mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (s * group["momentum_decay"])) for s in (t, t + 1))
            state["mu_product"].array[...] *= mu
            mu_product = float(state["mu_product"].array)

            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * g * g
            denominator = np.sqrt(v / (1 - beta2**t))
            denominator += group["eps"]
            p -= (lr * (1 - mu) / (1 - mu_product)) * g / denominator
            p -= (lr * mu_next / (1 - mu_product * mu_next)) * m / denominator
