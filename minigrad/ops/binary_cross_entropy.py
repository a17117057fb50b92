"""Binary cross-entropy: of probabilities, and of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.kernels import assertions
from minigrad.ops.activation import log1p_exp
from minigrad.ops.arguments import broadcast_shapes, check_floating, check_same_device, in_float32
from minigrad.ops.choice import clamp
from minigrad.ops.loss import check_reduction, reduced
from minigrad.ops.pointwise import log
from minigrad.tensor import Tensor, from_array

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


class BinaryCrossEntropy(Function):
    """-(y log x + (1 - y) log(1 - x)), the logarithms cut at -100; dx = (x - y) / (x (1 - x))"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        probability, target = x.array, y.array
        log_hit = np.maximum(np.log(probability), -100)
        log_miss = np.maximum(np.log1p(-probability), -100)
        return from_array((target - 1) * log_miss - target * log_hit)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        grad_x = grad_y = None
        if ctx.needs_input_grad[0]:
            # The bound is PyTorch's: steep at 0 and 1, but finite.
            grad_x = grad_output * (x - y) / clamp((1 - x) * x, min=1e-12)
        if ctx.needs_input_grad[1]:
            grad_y = grad_output * (log(1 - x) - log(x))
        return grad_x, grad_y


@in_float32
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure ``-(y log x + (1 - y) log(1 - x))`` for probabilities x and targets y.

    The logarithms are limited to -100 from below: a loss is at most 100 and never infinite.

    Args:
        input: probabilities x in [0, 1], of any shape.
        target: y in [0, 1], of the same shape and dtype.
        weight: a factor per element, which broadcasts.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, or `reduction` is none of the three.
        RuntimeError: an x is outside [0, 1], or dtypes or devices do not fit.

    Examples:
        >>> F.binary_cross_entropy(mg.tensor([0.9, 0.5]), mg.tensor([1.0, 0.0]), reduction="none")
        tensor([0.1054, 0.6931])
    """
    reduction = check_reduction("binary_cross_entropy", size_average, reduce, reduction)
    _check_pair("binary_cross_entropy", input, target)
    if target.dtype != input.dtype:
        raise RuntimeError(f"binary_cross_entropy: Found target dtype {target.dtype} but expected {input.dtype}")
    probability: Any = input.array
    inside = (probability >= 0) & (probability <= 1)
    message = "binary_cross_entropy: all elements of input should be between 0 and 1"
    if input.is_cuda:
        assertions.expect_none(~inside, RuntimeError, message)
    elif not inside.all():
        raise RuntimeError(message)
    losses = BinaryCrossEntropy.apply(input, target)
    return reduced(losses if weight is None else losses * weight.expand(losses.shape), reduction)


@in_float32
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Measure `binary_cross_entropy` of sigmoid(input), computed so that large logits do not overflow.

    Args:
        input: logits of any shape.
        target: numbers in [0, 1], of the same shape.
        weight: a factor per element, which broadcasts.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for the loss of positive targets, which broadcasts: often negatives / positives.

    Raises:
        ValueError: the shapes differ, or `reduction` is none of the three.
        RuntimeError: dtypes or devices do not fit.

    Examples:
        >>> F.binary_cross_entropy_with_logits(mg.tensor([0.0, 200.0]), mg.tensor([1.0, 0.0]), reduction="none")
        tensor([  0.6931, 200.0000])
    """
    reduction = check_reduction("binary_cross_entropy_with_logits", size_average, reduce, reduction)
    _check_pair("binary_cross_entropy_with_logits", input, target)
    hit = log1p_exp(-input)
    if pos_weight is not None:
        broadcast_shapes("binary_cross_entropy_with_logits: pos_weight", pos_weight.shape, target.shape)
        hit = hit * ((pos_weight - 1) * target + 1)
    losses = (1 - target) * input + hit
    return reduced(losses if weight is None else losses * weight, reduction)


def _check_pair(operation: str, input: Tensor, target: Tensor) -> None:
    check_floating(operation, "input", input)
    check_floating(operation, "target", target)
    check_same_device(operation, input, target)
    if input.shape != target.shape:
        raise ValueError(
            f"{operation}: Using a target size ({list(target.shape)}) that is different to the input size "
            f"({list(input.shape)}); target size must be the same as input size"
        )
