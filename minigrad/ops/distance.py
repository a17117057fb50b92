"""Regression losses: the distance between predicted and true numbers."""

from __future__ import annotations

import math
import warnings

from minigrad.ops.activation import log1p_exp
from minigrad.ops.arguments import (
    broadcast_shapes,
    check_floating,
    check_same_device,
    check_tensor,
    floating,
    in_float32,
    operands,
)
from minigrad.ops.arithmetic import xlogy
from minigrad.ops.choice import where
from minigrad.ops.loss import check_reduction, reduced
from minigrad.ops.pointwise import abs, exp, log, square
from minigrad.tensor import Tensor

__all__ = ["huber_loss", "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss"]


@in_float32
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Measure the squared error ``(input - target)^2``.

    Args:
        input, target: tensors of one shape (broadcast with a warning otherwise), at least one floating-point.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.
        weight: a factor per element; the mean is then divided by the sum of the weights.

    Raises:
        ValueError: `reduction` is none of the three, or the shape of `weight` differs.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> F.mse_loss(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
        tensor(2.)
    """
    reduction = check_reduction("mse_loss", size_average, reduce, reduction)
    return _weighted("mse_loss", square(_difference("mse_loss", input, target)), input, weight, reduction)


@in_float32
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Measure the absolute error ``|input - target|``.

    Args:
        input, target: tensors of one shape (broadcast with a warning otherwise), at least one floating-point.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.
        weight: a factor per element; the mean is then divided by the sum of the weights.

    Raises:
        ValueError: `reduction` is none of the three, or the shape of `weight` differs.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> F.l1_loss(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]), reduction="none")
        tensor([0., 2.])
    """
    reduction = check_reduction("l1_loss", size_average, reduce, reduction)
    return _weighted("l1_loss", abs(_difference("l1_loss", input, target)), input, weight, reduction)


@in_float32
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Measure the Kullback-Leibler divergence ``target (log target - input)`` from log-probabilities to a distribution.

    Args:
        input: log-probabilities, of any shape.
        target: probabilities of a shape that broadcasts with it; where one is 0 the loss is 0.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "batchmean" (the sum over the first size, which is the divergence), "mean" (over all elements, which
            is less), "sum" or "none".
        log_target: `target` holds logarithms of probabilities.

    Raises:
        ValueError: `reduction` is none of the four.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Source: Kullback and Leibler, "On information and sufficiency" (1951).

    Examples:
        >>> p = mg.tensor([[0.5, 0.5]])
        >>> F.kl_div(p.log(), p, reduction="batchmean")
        tensor(0.)
        >>> F.kl_div(mg.tensor([[0.25, 0.75]]).log(), p, reduction="batchmean")
        tensor(0.1438)
    """
    batchmean = reduction == "batchmean"
    reduction = check_reduction("kl_div", size_average, reduce, "sum" if batchmean else reduction)
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction 'mean' divides by the number of elements, not of examples; 'batchmean' gives the "
            "divergence",
            stacklevel=3,
        )
    check_tensor("kl_div", "input", input)
    check_tensor("kl_div", "target", target)
    losses = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    total = reduced(losses, reduction)
    return total / input.shape[0] if batchmean and input.ndim else total


@in_float32
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Measure a squared error that grows linearly from `beta` on, so that outliers weigh less.

    With d = |input - target| the loss is ``d^2 / (2 beta)`` where d < beta, else ``d - beta / 2``.

    Args:
        input, target: tensors of one shape (broadcast with a warning otherwise), at least one floating-point.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.
        beta: where the quadratic part ends; 0 gives the absolute error.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: `beta` is negative, the shapes do not broadcast, or dtypes or devices do not fit.

    Source: Girshick, "Fast R-CNN" (2015).

    Examples:
        >>> F.smooth_l1_loss(mg.tensor([0.5, 3.0]), mg.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    reduction = check_reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    distance = abs(_difference("smooth_l1_loss", input, target))
    if beta == 0:
        return reduced(distance, reduction)
    return reduced(where(distance < beta, square(distance) * (0.5 / beta), distance - 0.5 * beta), reduction)


@in_float32
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Measure a squared error that grows linearly from `delta` on: `smooth_l1_loss` times delta.

    With d = |input - target| the loss is ``d^2 / 2`` where d <= delta, else ``delta (d - delta / 2)``.

    Args:
        input, target: tensors of one shape (broadcast with a warning otherwise), at least one floating-point.
        reduction: "mean", "sum", or "none" for a loss per element.
        delta: where the quadratic part ends, more than 0.
        weight: a factor per element; the mean is then divided by the sum of the weights.

    Raises:
        ValueError: `reduction` is none of the three, or the shape of `weight` differs.
        RuntimeError: `delta` is not positive, the shapes do not broadcast, or dtypes or devices do not fit.

    Source: Huber, "Robust estimation of a location parameter" (1964).

    Examples:
        >>> F.huber_loss(mg.tensor([1.0, 4.0]), mg.zeros(2), "none", delta=2.0)
        tensor([0.5000, 6.0000])
    """
    reduction = check_reduction("huber_loss", None, None, reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    distance = abs(_difference("huber_loss", input, target))
    losses = where(distance <= delta, square(distance) * 0.5, (distance - 0.5 * delta) * delta)
    return _weighted("huber_loss", losses, input, weight, reduction)


@in_float32
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure ``log(1 + exp(-target input))``, for targets of 1 and -1.

    Args:
        input: logits, of any shape.
        target: 1 or -1 for each.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> F.soft_margin_loss(mg.tensor([0.0, 200.0]), mg.tensor([1.0, -1.0]), reduction="none")
        tensor([  0.6931, 200.0000])
    """
    reduction = check_reduction("soft_margin_loss", size_average, reduce, reduction)
    check_floating("soft_margin_loss", "input", input)
    check_tensor("soft_margin_loss", "target", target)
    check_same_device("soft_margin_loss", input, target)
    broadcast_shapes("soft_margin_loss", input.shape, target.shape)
    return reduced(log1p_exp(-target * input), reduction)


@in_float32
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure the negative log-likelihood of counts under Poisson distributions of the rates ``exp(input)``.

    Args:
        input: logarithms of rates, of any shape; with `log_input` False the rates.
        target: the counts, of a shape that broadcasts with it.
        log_input: the loss is ``exp(input) - target input``, else ``input - target log(input + eps)``.
        full: add Stirling's approximation of ``log(target!)`` for counts above 1.
        eps: keeps a rate of 0 from having a logarithm of minus infinity.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> F.poisson_nll_loss(mg.tensor([0.0, 1.0]), mg.tensor([1.0, 3.0]), reduction="none")
        tensor([ 1.0000, -0.2817])
    """
    reduction = check_reduction("poisson_nll_loss", size_average, reduce, reduction)
    input = floating("poisson_nll_loss", input)
    check_tensor("poisson_nll_loss", "target", target)
    check_same_device("poisson_nll_loss", input, target)
    broadcast_shapes("poisson_nll_loss", input.shape, target.shape)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        counts = where(target > 1, target, 1.0)  # whose logarithm is harmless
        stirling = counts * log(counts) - counts + 0.5 * log(2 * math.pi * counts)
        losses = losses + where(target > 1, stirling, 0.0)
    return reduced(losses, reduction)


def _difference(operation: str, input: Tensor, target: Tensor) -> Tensor:
    """input - target, with PyTorch's warning if one of them has to be broadcast."""
    check_tensor(operation, "input", input)
    check_tensor(operation, "target", target)
    check_same_device(operation, input, target)
    if input.dtype.kind != "f" and target.dtype.kind != "f":
        raise RuntimeError(f"{operation}: expected floating point tensors, got {input.dtype} and {target.dtype}")
    broadcast_shapes(operation, input.shape, target.shape)
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({list(target.shape)}) that is different to the input size "
            f"({list(input.shape)}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=4,  # the line that called the loss
        )
    input, target = operands(operation, input, target)
    return input - target


def _weighted(operation: str, losses: Tensor, input: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return reduced(losses, reduction)
    if weight.shape != input.shape:
        raise ValueError(
            f"{operation}: Weights and input must have the same size, got {weight.shape} and {input.shape}"
        )
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)
