"""Normalisation: over the batch, a sample's features, groups of channels, or neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.autograd import Function, FusedFunction
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.observer import observed
from minigrad.kernels import implementation
from minigrad.ops.arguments import check_floating, check_same_device, check_tensor, dimensions, in_float32
from minigrad.ops.padding import pad
from minigrad.ops.pointwise import rsqrt
from minigrad.ops.variance import centred
from minigrad.pending import finish
from minigrad.tensor import Tensor, from_array

__all__ = ["batch_norm", "group_norm", "layer_norm", "local_response_norm", "normalize"]


def _standardize(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps), with the mean and the biased variance over `dims`."""
    distance = centred(x, dims)
    return distance * rsqrt((distance * distance).mean(dims, keepdim=True) + eps)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    """x * weight + bias, the two being given `shape` to broadcast; each may be None."""
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _per_channel(x: Tensor) -> tuple[int, ...]:
    """The shape in which a vector of channels broadcasts against x (N, C, ...)."""
    return (1, x.shape[1], *[1] * (x.ndim - 2))


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.array


class BatchNorm(FusedFunction):
    """(x - mean) / sqrt(var + eps) * weight + bias; mean and invstd = 1 / sqrt(var + eps) are those of x itself"""

    fresh_gradients = True

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, invstd: Tensor, eps: float
    ) -> Tensor:
        kernel = implementation("batch_norm", x.array)
        return from_array(kernel.normalize(x.array, _array(weight), _array(bias), mean.array, invstd.array))

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, _, mean, invstd, _ = inputs
        ctx.save_for_backward(x, weight, mean, invstd)

    @staticmethod
    def definition(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, invstd: Tensor, eps: float
    ) -> Tensor:
        dims = (0, *range(2, x.ndim))
        return _affine(_standardize(x, dims, eps), weight, bias, _per_channel(x))

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        gradients = BatchNormBackward.apply(grad_output, *ctx.saved_tensors)
        needs = ctx.needs_input_grad[:3]
        return *[gradient if need else None for gradient, need in zip(gradients, needs, strict=True)], None, None, None


class BatchNormBackward(Function):
    """The gradients of `BatchNorm` with respect to x, weight (None without one) and bias; not differentiable"""

    @staticmethod
    def forward(
        grad: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, invstd: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        kernel = implementation("batch_norm", x.array)
        dx, dweight, dbias = kernel.backward(grad.array, x.array, _array(weight), mean.array, invstd.array)
        return from_array(dx), None if dweight is None else from_array(dweight), from_array(dbias)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing: it is only used where nothing is recorded."""


class BatchNormInference(FusedFunction):
    """(x - mean) / sqrt(var + eps) * weight + bias with given statistics, which are constants"""

    @staticmethod
    def forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float) -> Tensor:
        kernel = implementation("batch_norm", x.array)
        scale = kernel.scale(var.array, eps, _array(weight))
        return from_array(kernel.normalize(x.array, None, _array(bias), mean.array, scale))

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, _, mean, var, ctx.eps = inputs
        ctx.save_for_backward(x, weight, mean, var)

    @staticmethod
    def definition(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float
    ) -> Tensor:
        shape, mean, var = _per_channel(x), mean.detach(), var.detach()
        standardized = (x - mean.reshape(shape)) * rsqrt(var + eps).reshape(shape)
        return _affine(standardized, weight, bias, shape)

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, weight, mean, var = ctx.saved_tensors
        dims, shape = (0, *range(2, x.ndim)), _per_channel(x)
        invstd = rsqrt(var + ctx.eps)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_output * (invstd if weight is None else invstd * weight).reshape(shape)
        if ctx.needs_input_grad[1]:
            grad_weight = (grad_output * (x - mean.reshape(shape))).sum(dims) * invstd
        if ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(dims)
        return grad_x, grad_weight, grad_bias, None, None, None


class LocalResponseNorm(FusedFunction):
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels) ^ beta"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        y, ctx.scale = implementation("local_response_norm", x.array).forward(x.array, size, alpha, beta, k)
        ctx.save_for_backward(x)
        ctx.constants = size, alpha, beta
        return from_array(y)

    @staticmethod
    def definition(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        # Padding is told from the last dimension on; `before` channels and the rest behind are neighbours.
        before = size // 2
        squares = pad(x * x, (0, 0) * (x.ndim - 2) + (before, size - 1 - before))
        total = squares[:, : x.shape[1]]
        for shift in range(1, size):
            total = total + squares[:, shift : shift + x.shape[1]]
        return x * (k + alpha / size * total) ** -beta

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (x,) = ctx.saved_tensors
        kernel = implementation("local_response_norm", x.array)
        return (
            from_array(kernel.backward(grad_output.array, x.array, ctx.scale, *ctx.constants)),
            None,
            None,
            None,
            None,
        )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each channel over the batch: ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Args:
        input: (N, C, ...).
        running_mean, running_var: (C,), or None for both. In training they are moved towards the batch's mean and
            unbiased variance, in place; otherwise they are used in their stead, as constants.
        weight, bias: (C,), or None.
        training: use the mean and the biased variance of the batch.
        momentum: how far the running statistics are moved, from 0 to 1.
        eps: added to the variance.

    Raises:
        ValueError: there is one value per channel in training, or `eps` is negative.
        RuntimeError: shapes, dtypes or devices do not fit, or running statistics are missing.

    Source: Ioffe and Szegedy, "Batch normalization" (ICML 2015).

    Examples:
        >>> x = mg.tensor([[1.0, 10.0], [3.0, 30.0]])
        >>> F.batch_norm(x, None, None, training=True)
        tensor([[-1.0000, -1.0000],
                [ 1.0000,  1.0000]])
    """
    check_floating("batch_norm", "input", input)
    if input.shape == (0,):  # PyTorch lets it through, whatever the channels
        y = input.clone()
        y = y if weight is None else y * weight[:1]
        return y if bias is None else y + bias[:1]
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm: expected input (N, C, ...), but got shape {list(input.shape)}")
    channels, where = (input.shape[1],), input.device
    vectors = ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)
    for name, vector in vectors:
        if vector is None:
            continue
        values = check_tensor("batch_norm", name, vector).array
        if values.shape != channels:
            raise RuntimeError(f"batch_norm: {name} should contain {channels[0]} elements not {list(values.shape)}")
        if values.dtype != input.dtype:
            raise RuntimeError(f"batch_norm: expected {name} of the input's dtype {input.dtype}, got {vector.dtype}")
        if vector.device is not where:
            check_same_device("batch_norm", input, vector)
    if eps < 0 or (training and eps == 0):
        raise ValueError(
            f"batch_norm eps must be {'positive during training' if training else 'non-negative'}, got {eps}"
        )
    if (running_mean is None) != (running_var is None):
        raise RuntimeError("batch_norm: give both running_mean and running_var, or neither")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: running_mean and running_var must be defined in evaluation mode")
        return BatchNormInference.apply(input, weight, bias, running_mean, running_var, eps)
    count = input.shape[0] * math.prod(input.shape[2:])
    _check_several(count, input.shape)
    kernel = implementation("batch_norm", input.array)
    mean, invstd = map(from_array, kernel.statistics(input.array, eps))
    observed("batch_statistics", (input, eps), (mean, invstd))
    if running_mean is not None and running_var is not None and count:
        finish(running_mean)
        finish(running_var)
        kernel.track(running_mean.array, running_var.array, mean.array, invstd.array, momentum, eps, count)
        running_mean._bump_version()
        running_var._bump_version()
    return BatchNorm.apply(input, weight, bias, mean, invstd, eps)


def _check_int(operation: str, name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{operation}: argument '{name}' must be int, not {type(value).__name__}")


def _check_several(count: int, shape: Sequence[int]) -> None:
    if count == 1:
        raise ValueError(
            f"batch_norm: Expected more than 1 value per channel when training, got input size {list(shape)}; "
            "a last batch of one is left out by DataLoader(..., drop_last=True)"
        )


@in_float32
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise over the last dimensions: ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Args:
        input: a floating-point tensor.
        normalized_shape: the sizes of the last dimensions of `input`, over which mean and variance are taken.
        weight, bias: of the shape `normalized_shape`, or None.
        eps: added to the variance.

    Raises:
        TypeError: `normalized_shape` is not a sequence.
        RuntimeError: shapes, dtypes or devices do not fit.

    Source: Ba et al., "Layer normalization" (2016).

    Examples:
        >>> F.layer_norm(mg.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
        tensor([[-1.0000,  1.0000],
                [-1.0000,  1.0000]])
    """
    check_floating("layer_norm", "input", input)
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(
            f"layer_norm: argument 'normalized_shape' must be a tuple of ints, not {type(normalized_shape).__name__}"
        )
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError("layer_norm: Expected normalized_shape to be at least 1-dimensional, but got ()")
    if input.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"layer_norm: Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size {list(input.shape)}"
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        _check_parameter("layer_norm", name, tensor, shape, input)
    return _affine(_standardize(input, tuple(range(-len(shape), 0)), eps), weight, bias, shape)


@in_float32
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each sample's groups of channels: ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Args:
        input: (N, C, ...).
        num_groups: how many groups of C / num_groups channels.
        weight, bias: (C,), or None.
        eps: added to the variance.

    Raises:
        ValueError: there is one value per group.
        RuntimeError: C is not divisible by `num_groups`, or shapes, dtypes or devices do not fit.

    Source: Wu and He, "Group normalization" (2018).

    Examples:
        >>> x = mg.tensor([[1.0, 3.0, 10.0, 30.0]])
        >>> F.group_norm(x, 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    check_floating("group_norm", "input", input)
    if input.ndim < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {input.ndim}")
    _check_int("group_norm", "num_groups", num_groups)
    samples, channels = input.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise RuntimeError(
            "group_norm: Expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {list(input.shape)} and num_groups={num_groups}"
        )
    _check_several(samples * channels // num_groups * math.prod(input.shape[2:]), input.shape)
    for name, tensor in (("weight", weight), ("bias", bias)):
        _check_parameter("group_norm", name, tensor, (channels,), input)
    groups = input.reshape(samples, num_groups, channels // num_groups * math.prod(input.shape[2:]))
    standardized = _standardize(groups, (2,), eps).reshape(input.shape)
    return _affine(standardized, weight, bias, _per_channel(input))


def _check_parameter(
    operation: str, name: str, parameter: Tensor | None, shape: tuple[int, ...], input: Tensor
) -> None:
    if parameter is None:
        return
    check_tensor(operation, name, parameter)
    if parameter.shape != shape:
        raise RuntimeError(
            f"{operation}: Expected {name} of shape {list(shape)}, but got {name} of shape "
            f"{list(parameter.shape)} and input of shape {list(input.shape)}"
        )
    if parameter.dtype != input.dtype:
        raise RuntimeError(f"{operation}: expected {name} of the input's dtype {input.dtype}, got {parameter.dtype}")
    check_same_device(operation, input, parameter)


@in_float32
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide by the activity of the neighbouring channels: ``x / (k + alpha / size * sum of x^2) ^ beta``.

    Args:
        input: (N, C, ...), of at least 3 dimensions.
        size: over how many neighbouring channels the squares are summed.
        alpha, beta, k: the constants of the formula.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: `size` is not positive, or the input is not floating-point.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012), where
    alpha is not divided by the size.

    Examples:
        >>> F.local_response_norm(mg.ones(1, 3, 1), size=3, alpha=3.0, beta=1.0).reshape(-1)
        tensor([0.3333, 0.2500, 0.3333])
    """
    check_floating("local_response_norm", "input", input)
    if input.ndim < 3:
        raise ValueError(
            f"local_response_norm: Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    _check_int("local_response_norm", "size", size)
    if size < 1:
        raise RuntimeError(f"local_response_norm: size should be greater than zero, but got {size}")
    images = input.reshape(*input.shape[:2], input.shape[2], math.prod(input.shape[3:]))
    return LocalResponseNorm.apply(images, size, alpha, beta, k).reshape(input.shape)


@in_float32
def normalize(input: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm: ``x / max(norm(x), eps)``.

    Args:
        input: a floating-point tensor.
        p: the norm's exponent.
        dim: the dimension or dimensions that the norm is taken over.
        eps: the smallest divisor.

    Raises:
        RuntimeError: the input is not floating-point, or a dimension is named twice.
        IndexError: there is no such dimension.

    Examples:
        >>> F.normalize(mg.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    check_floating("normalize", "input", input)
    dim = dimensions("normalize", dim, input.ndim)
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)
