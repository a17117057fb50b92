"""Classification losses, as one number or, with reduction="none", one per example.

Regression losses are in `minigrad.ops.distance`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minigrad.autograd import FusedFunction
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.dtypes import int64, uint8
from minigrad.kernels import assertions, implementation, implementation_on_gpu
from minigrad.ops.activation import log_softmax
from minigrad.ops.arguments import check_floating, check_same_device, check_tensor, in_float32
from minigrad.ops.reduction import sum_array
from minigrad.tensor import Tensor, from_array

__all__ = ["cross_entropy", "nll_loss", "one_hot"]


class SoftmaxCrossEntropy(FusedFunction):
    """-log softmax(logits)[target] for each row of (N, C), weighted and with smoothed targets; reduced"""

    fresh_gradients = True

    @staticmethod
    def forward(
        ctx: Context,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None,
        ignore_index: int,
        label_smoothing: float,
        reduction: str,
    ) -> Tensor:
        kernel = implementation("softmax_cross_entropy", logits.array)
        if not isinstance(logits.array, np.ndarray):
            # The kernel reads the labels anyway, so it counts those that are no class.
            counter = implementation_on_gpu("softmax_cross_entropy").out_of_range(logits.array)
            assertions.watch(counter, IndexError, "cross_entropy: Target is out of bounds.")
        arguments = target.array, None if weight is None else weight.array, ignore_index, label_smoothing
        losses, log_probabilities = kernel.forward(logits.array, *arguments)
        ctx.save_for_backward(target, weight)
        ctx.log_probabilities, ctx.constants = log_probabilities, (ignore_index, label_smoothing)
        if reduction == "none":
            ctx.divisor = 1
            return from_array(losses)
        if reduction == "mean" and not isinstance(losses, np.ndarray):
            kernel_on_gpu = implementation_on_gpu("softmax_cross_entropy")
            mean, ctx.divisor = kernel_on_gpu.mean(losses, *arguments[:2], logits.shape[1], ignore_index)
            return from_array(mean)
        ctx.divisor = _divisor(target, weight, ignore_index, losses.dtype) if reduction == "mean" else 1
        return from_array(sum_array(losses, (0,)) / ctx.divisor)

    @staticmethod
    def definition(
        logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, label_smoothing: float, reduction: str
    ) -> Tensor:
        log_probabilities = log_softmax(logits, 1)
        losses = _picked(log_probabilities, target, weight, ignore_index)
        if label_smoothing > 0:
            weighted = log_probabilities if weight is None else log_probabilities * weight
            uniform = (-weighted).sum(1).masked_fill(target == ignore_index, 0)
            losses = losses * (1 - label_smoothing) + uniform * (label_smoothing / logits.shape[1])
        return _reduced_by_class(losses, target, weight, ignore_index, reduction)

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        target, weight = ctx.saved_tensors
        kernel = implementation("softmax_cross_entropy", grad_output.array)
        weight = None if weight is None else weight.array
        share = grad_output.array / ctx.divisor
        if isinstance(grad_output.array, np.ndarray):
            share = np.full(target.shape, share, grad_output.dtype)
        else:
            share = array_module(share).broadcast_to(share, target.shape)  # the kernel reads one number for all rows
        grad = kernel.backward(share, ctx.log_probabilities, target.array, weight, *ctx.constants)
        return from_array(grad), None, None, None, None, None


@in_float32
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Measure how unlikely the target is under softmax(input): ``-log softmax(input)[target]``.

    Args:
        input: logits (N, C), (N, C, d1, ...) or (C,).
        target: int64 classes in [0, C), of the input's shape without C; or probabilities of the input's shape.
        weight: a factor per class, (C,); the mean is then divided by the sum of the targets' weights.
        size_average, reduce: deprecated; see `reduction`.
        ignore_index: a target of this value has loss 0 and is not counted in the mean.
        reduction: "mean" (NaN if no target counts; over all examples for probabilities), "sum" or "none".
        label_smoothing: replace the target by (1 - s) target + s / C, with s in [0, 1].

    Raises:
        IndexError: a target is no class; on a GPU, at the next synchronisation.
        ValueError: the batch sizes differ, or `reduction` is none of the three.
        RuntimeError: other shapes, dtypes or devices do not fit, or `label_smoothing` is outside [0, 1].

    Source: Szegedy et al., "Rethinking the Inception architecture" (CVPR 2016), for label smoothing.

    Examples:
        >>> logits = mg.tensor([[5.0, 0.0], [0.0, 0.0]])
        >>> F.cross_entropy(logits, mg.tensor([0, 1]), reduction="none")  # sure and right; undecided, log 2
        tensor([0.0067, 0.6931])
        >>> F.cross_entropy(logits, mg.tensor([[0.5, 0.5], [1.0, 0.0]]))
        tensor(1.5999)
    """
    reduction = check_reduction("cross_entropy", size_average, reduce, reduction)
    check_floating("cross_entropy", "input", input)
    check_tensor("cross_entropy", "target", target)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    logits, classes = _rows("cross_entropy", input, target, weight, ignore_index)
    losses = SoftmaxCrossEntropy.apply(logits, classes, weight, ignore_index, float(label_smoothing), reduction)
    return losses.reshape(target.shape) if reduction == "none" else losses


def _soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """Cross-entropy against class probabilities."""
    if target.dtype.kind != "f":
        raise RuntimeError(
            "cross_entropy: Expected floating point type for target with class probabilities (of the input's "
            f"shape {list(input.shape)}), got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
    if input.ndim == 0:
        raise RuntimeError("cross_entropy: expected logits (N, C, ...) or (C,), got a 0-d tensor")
    dim = 0 if input.ndim == 1 else 1
    check_same_device("cross_entropy", input, target)
    _check_weight("cross_entropy", input, weight, input.shape[dim])
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    products = log_softmax(input, dim) * target
    if weight is not None:
        products = products * weight.reshape(-1, *[1] * (input.ndim - dim - 1))
    losses = -products.sum(dim)
    return reduced(losses, reduction)


@in_float32
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure the negative log-likelihood ``-input[target]`` of log-probabilities.

    Args:
        input: log-probabilities (N, C), (N, C, d1, ...) or (C,), as `log_softmax` returns them.
        target, weight, size_average, ignore_index, reduce, reduction: as for `cross_entropy`; classes only.

    Raises:
        IndexError: a target is no class.
        ValueError: the batch sizes differ, or `reduction` is none of the three.
        RuntimeError: other shapes, dtypes or devices do not fit.

    Examples:
        >>> F.nll_loss(mg.tensor([[0.25, 0.75]]).log(), mg.tensor([1]))
        tensor(0.2877)
    """
    reduction = check_reduction("nll_loss", size_average, reduce, reduction)
    check_floating("nll_loss", "input", input)
    check_tensor("nll_loss", "target", target)
    log_probabilities, classes = _rows("nll_loss", input, target, weight, ignore_index)
    losses = _picked(log_probabilities, classes, weight, ignore_index)
    losses = _reduced_by_class(losses, classes, weight, ignore_index, reduction)
    return losses.reshape(target.shape) if reduction == "none" else losses


def _picked(log_probabilities: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """-weight[target] log_probabilities[target] for each row of (N, C), 0 where the target is ignored."""
    ignored = target == ignore_index
    target = target.masked_fill(ignored, 0)
    losses = -log_probabilities.gather(1, target.unsqueeze(1)).squeeze(1)
    if weight is not None:
        losses = losses * weight[target]
    return losses.masked_fill(ignored, 0)


def _rows(
    operation: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Input and target as one row (C,) and one class each, (M, C) and (M,), after all checks."""
    if target.dtype not in (int64, uint8):
        raise RuntimeError(
            f"{operation}: expected target dtype to be int64 (or uint8) for classes, but got {target.dtype}; "
            "convert it with .long()"
        )
    if input.ndim == 0:
        raise RuntimeError(f"{operation}: expected input (N, C, ...) or (C,), got a 0-d tensor")
    shape, expected = list(target.shape), [*input.shape[:1], *input.shape[2:]] if input.ndim > 1 else []
    if input.ndim > 1 and shape[:1] != expected[:1]:
        raise ValueError(
            f"{operation}: Expected input batch_size ({expected[0]}) to match target batch_size "
            f"({shape[0] if shape else 'none, it is 0-d'})."
        )
    if shape != expected and not (input.ndim == 1 and shape == [1]):
        error = ValueError if input.ndim == 1 else RuntimeError
        raise error(f"{operation}: Expected target size {expected} for input {list(input.shape)}, got {shape}")
    classes = input.shape[0 if input.ndim == 1 else 1]
    check_same_device(operation, input, target)
    _check_weight(operation, input, weight, classes)
    if target.dtype != int64:
        target = target.to(int64)
    if operation != "cross_entropy" or not target.is_cuda:
        _check_labels(operation, target.array, classes, ignore_index)
    if input.ndim == 1:
        return input.unsqueeze(0), target.reshape(1)
    if input.ndim == 2:
        return input, target
    return input.movedim(1, -1).reshape(target.numel(), classes), target.reshape(-1)


def _check_labels(operation: str, labels: Any, classes: int, ignore_index: int) -> None:
    """IndexError for a label that is no class; on a GPU at the next synchronisation."""
    if not isinstance(labels, np.ndarray):
        message = f"{operation}: Target {{value}} is out of bounds."
        return assertions.expect_range(labels, 0, classes - 1, IndexError, message, exception=ignore_index)
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        wrong &= labels != ignore_index
        if wrong.any():
            raise IndexError(f"{operation}: Target {labels[wrong][0]} is out of bounds.")


def _check_weight(operation: str, input: Tensor, weight: Tensor | None, classes: int) -> None:
    if weight is None:
        return
    check_tensor(operation, "weight", weight)
    if weight.shape != (classes,):
        raise RuntimeError(
            f"{operation}: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise RuntimeError(f"{operation}: expected weight of the input's dtype {input.dtype}, got {weight.dtype}")
    if weight.requires_grad:
        raise RuntimeError(f"{operation}: not differentiable with respect to 'weight', which cannot require grad")
    check_same_device(operation, input, weight)


def check_reduction(operation: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction's name, also from PyTorch's older two flags."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,  # the line that called the loss
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{operation}: {reduction} is not a valid value for reduction: use 'none', 'mean' or 'sum'")
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses, their sum or their mean."""
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _reduced_by_class(
    losses: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """Losses of one class each: these, their sum, or their sum by the classes' weights."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / from_array(_divisor(target, weight, ignore_index, losses.dtype))


def _divisor(target: Tensor, weight: Tensor | None, ignore_index: int, dtype: np.dtype) -> Any:
    """What a mean is divided by, 0-d: the number of targets, or the sum of their classes' weights.

    It is 0 if there are none, and the mean, 0 / 0, is NaN. On a GPU it stays there, without synchronisation.
    """
    labels = target.array
    kept = labels != ignore_index
    if weight is None:
        count = np.count_nonzero(kept)
        return dtype.type(count) if isinstance(count, int) else count.astype(dtype)
    labels = labels * kept  # those to ignore may not be classes; any other will do, its weight is not counted
    return (weight.array[labels] * kept).sum(dtype=dtype)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Encode classes as vectors with a single 1.

    Args:
        tensor: int64 classes of any shape.
        num_classes: the length of the vectors; -1 means the largest class plus 1. The result is
            (..., num_classes), int64.

    Raises:
        TypeError: `num_classes` is not an int.
        RuntimeError: the tensor is not int64, a class is negative or not below `num_classes`, or the number of
            classes cannot be inferred.

    Examples:
        >>> F.one_hot(mg.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    check_tensor("one_hot", "tensor", tensor)
    if tensor.dtype != int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type int64, got {tensor.dtype}")
    if isinstance(num_classes, bool) or not isinstance(num_classes, int | np.integer):
        raise TypeError(f"one_hot: argument 'num_classes' must be int, not {type(num_classes).__name__}")
    labels: Any = tensor.array
    if num_classes < -1 or (labels.size == 0 and num_classes <= 0):
        raise RuntimeError(
            f"one_hot: Can not infer total number of classes from num_classes={num_classes}, "
            f"shape {list(tensor.shape)}; num_classes should be positive"
        )
    if tensor.is_cuda and num_classes != -1:
        message = (
            f"one_hot: Class values must be non-negative and smaller than num_classes={num_classes}, got {{value}}."
        )
        assertions.expect_range(labels, 0, num_classes - 1, RuntimeError, message)
    elif labels.size and labels.min() < 0:
        raise RuntimeError(f"one_hot: Class values must be non-negative, got {labels.min()}.")
    elif num_classes == -1:
        num_classes = int(labels.max()) + 1
    elif labels.size and labels.max() >= num_classes:
        raise RuntimeError(f"one_hot: Class values must be smaller than num_classes={num_classes}, got {labels.max()}.")
    classes = array_module(labels).arange(num_classes)
    return from_array((labels[..., None] == classes).astype(int64))
