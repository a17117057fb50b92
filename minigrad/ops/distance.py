"""Losses of predicted numbers: how far they are from targets, as one number or (reduction="none") one for each."""

from __future__ import annotations

import warnings

from minigrad.ops.arguments import broadcast_shapes, check_same_device, check_tensor
from minigrad.ops.elementwise import where
from minigrad.ops.loss import check_reduction, reduced
from minigrad.ops.pointwise import abs, square
from minigrad.tensor import Tensor

__all__ = ["l1_loss", "mse_loss", "smooth_l1_loss"]


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(x - y)^2 for x and y of one shape; with `weight` the mean is the weighted one."""
    reduction = check_reduction("mse_loss", size_average, reduce, reduction)
    return _weighted("mse_loss", square(_difference("mse_loss", input, target)), input, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|x - y| for x and y of one shape; with `weight` the mean is the weighted one."""
    reduction = check_reduction("l1_loss", size_average, reduce, reduction)
    return _weighted("l1_loss", abs(_difference("l1_loss", input, target)), input, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2.

    x and y have one shape. Girshick, "Fast R-CNN" (2015).
    """
    reduction = check_reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    distance = abs(_difference("smooth_l1_loss", input, target))
    if beta == 0:
        return reduced(distance, reduction)
    return reduced(where(distance < beta, square(distance) * (0.5 / beta), distance - 0.5 * beta), reduction)


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
            stacklevel=3,
        )
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
