"""Parameter updates in NumPy: what one step of SGD and Adam does, formula by formula."""

from __future__ import annotations

import numpy as np

from ..types import Arrays, Scalar


def sgd(
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
    """One step of stochastic gradient descent, in place, on arrays of one dtype.

    g <- g + weight_decay p;  b <- momentum b + (1 - dampening) g, at the first step b <- g;
    p <- p - lr b, or with nesterov p <- p - lr (g + momentum b). Without momentum the buffers are not used.

    Sutskever et al., "On the importance of initialization and momentum in deep learning" (ICML 2013), with
    PyTorch's convention that lr multiplies the buffer and not the gradients in it.
    """
    for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
        if maximize:
            g = -g
        if weight_decay != 0:
            g = g + weight_decay * p
        if momentum != 0 and momentum_buffers is not None:
            buffer = momentum_buffers[i]
            buffer[...] = g if first_step else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p -= lr * g


def adam(
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
    """Step number `step` (the first is 1) of Adam, or with `decoupled` weight decay of AdamW, in place.

    m <- m + (1 - beta1) (g - m);  v <- beta2 v + (1 - beta2) g^2;
    p <- p - lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + eps).
    Weight decay adds weight_decay p to g, or, decoupled, first shrinks p by the factor 1 - lr weight_decay.
    With max_exp_avg_sqs (AMSGrad) the largest v seen so far takes v's place.

    Kingma, Ba, "Adam" (ICLR 2015); Reddi, Kale, Kumar, "On the convergence of Adam and beyond" (ICLR 2018);
    Loshchilov, Hutter, "Decoupled weight decay regularization" (ICLR 2019).
    """
    step = int(step)
    step_size = lr / (1 - beta1**step)
    correction = (1 - beta2**step) ** 0.5
    for i, (p, g, m, v) in enumerate(zip(parameters, gradients, exp_avgs, exp_avg_sqs, strict=True)):
        if maximize:
            g = -g
        if weight_decay != 0:
            if decoupled:
                p *= 1 - lr * weight_decay
            else:
                g = g + weight_decay * p
        m += (1 - beta1) * (g - m)
        v[...] = beta2 * v + (1 - beta2) * g * g
        if max_exp_avg_sqs is not None:
            v = np.maximum(max_exp_avg_sqs[i], v, out=max_exp_avg_sqs[i])
        p -= step_size * m / (np.sqrt(v) / correction + eps)
