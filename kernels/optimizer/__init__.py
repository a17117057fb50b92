"""Parameter updates, in place: SGD and Adam, over all parameters at once."""

from __future__ import annotations

from typing import Protocol

from ..types import Array, Arrays, Scalar


class Optimizer(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def sgd(
        self,
        parameters: Arrays,
        gradients: Arrays,
        momentum_buffers: Arrays | None,
        lr: Scalar,
        momentum: Scalar,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        first_step: bool,
    ) -> None:
        """One step of stochastic gradient descent."""
        ...

    def adam(
        self,
        parameters: Arrays,
        gradients: Arrays,
        exp_avgs: Arrays,
        exp_avg_sqs: Arrays,
        max_exp_avg_sqs: Arrays | None,
        step: Scalar,
        lr: Scalar,
        beta1: Scalar,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Step number `step` (the first is 1) of Adam, or with `decoupled` weight decay of AdamW."""
        ...


class OptimizerOnGPU(Optimizer, Protocol):
    """What only `cuda.py` computes."""

    def norm(self, gradients: Arrays) -> Array:
        """The 2-norm of all gradients as if they were one vector; 0-d."""
        ...

    def clip(self, gradients: Arrays, max_norm: float, norm: Array) -> None:
        """Scale gradients of that `norm`, in place, so that it is at most `max_norm`."""
        ...
