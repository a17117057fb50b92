"""Normalisation layers: values of mean 0 and variance 1, then a learned scale and shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.dtypes import int64
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.arguments import check_positive
from minigrad.nn.member import Member
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.creation import empty, ones, zeros
from minigrad.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "LocalResponseNorm"]


class _Affine(Module):
    """A scale `weight` of ones and a shift `bias` of zeros, each None if switched off."""

    weight, bias = Member("_parameters"), Member("_parameters")

    def _register_affine(self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", weight and bias)):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None)

    def reset_parameters(self) -> None:
        """Set the scale to ones and the shift to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _BatchNorm(_Affine):
    # Files from before PyTorch 0.4.1, torchvision's among them, lack the counter.
    _optional_in_state = frozenset({"num_batches_tracked"})
    _input_dims: tuple[int, ...]
    running_mean, running_var, num_batches_tracked = Member("_buffers"), Member("_buffers"), Member("_buffers")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_positive(type(self).__name__, num_features=num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._register_affine((num_features,), affine, bias, device, dtype)
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", zeros((), device=device, dtype=int64))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Reset the running mean to 0 and the running variance to 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Reset the running statistics, set the scale to ones and the shift to zeros."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self._input_dims:
            dims = " or ".join(f"{dim}D" for dim in self._input_dims)
            raise ValueError(f"{type(self).__name__}: expected {dims} input (got {input.ndim}D input)")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.array += 1  # as .add_(1), which takes its time, and on a GPU two launches
            self.num_batches_tracked._bump_version()
            if self.momentum is None:  # the average over all batches so far
                momentum = 1 / int(self.num_batches_tracked)
        tracks = self.track_running_stats or not self.training
        return F.batch_norm(
            input,
            self.running_mean if tracks else None,
            self.running_var if tracks else None,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Standardise each feature over the batch; see BatchNorm2d.

    Input (N, C), or (N, C, L) for sequences.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as for BatchNorm2d.

    Raises:
        ValueError: `num_features` is less than 1.

    Examples:
        >>> nn.BatchNorm1d(2)(mg.tensor([[1.0, 10.0], [3.0, 30.0]])).detach()
        tensor([[-1.0000, -1.0000],
                [ 1.0000,  1.0000]])
    """

    _input_dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Standardise each channel over the batch: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Input (N, C, H, W). Training takes mean and biased variance of the batch, and moves `running_mean` and
    `running_var` (unbiased) towards them. Evaluation uses the running ones.

    Args:
        num_features: the channels C.
        eps: added to the variance.
        momentum: how far the running statistics are moved, from 0 to 1; None averages over all batches.
        affine: learn `weight` and `bias`, (C,), which begin as ones and zeros.
        track_running_stats: if False there are no running statistics, and evaluation uses the batch's.
        device, dtype: of the parameters; None means the CPU and the default dtype.
        bias: if False, learn only the weight.

    Raises:
        ValueError: `num_features` is less than 1.

    Source: Ioffe and Szegedy, "Batch normalization" (ICML 2015).

    Examples:
        >>> norm = nn.BatchNorm2d(3)
        >>> y = norm(mg.randn(8, 3, 4, 4) * 5 + 2)
        >>> mg.allclose(y.mean((0, 2, 3)), mg.zeros(3), atol=1e-5)
        True
    """

    _input_dims = (4,)


class LayerNorm(_Affine):
    """Standardise each sample over its last dimensions: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Args:
        normalized_shape: the sizes of the last dimensions, an int or a sequence.
        eps: added to the variance.
        elementwise_affine: learn `weight` and `bias` of that shape, which begin as ones and zeros.
        bias: if False, learn only the weight.
        device, dtype: of the parameters; None means the CPU and the default dtype.

    Raises:
        ValueError: a size is less than 1.

    Source: Ba et al., "Layer normalization" (2016).

    Examples:
        >>> nn.LayerNorm(2)(mg.tensor([[1.0, 3.0], [10.0, 30.0]])).detach()
        tensor([[-1.0000,  1.0000],
                [-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        for size in shape:
            check_positive("LayerNorm", normalized_shape=size)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._register_affine(shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """Standardise each sample's groups of channels: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Input (N, C, ...).

    Args:
        num_groups: how many groups.
        num_channels: the channels C, divisible by `num_groups`.
        eps: added to the variance.
        affine: learn `weight` and `bias`, (C,), which begin as ones and zeros.
        device, dtype: of the parameters; None means the CPU and the default dtype.
        bias: if False, learn only the weight.

    Raises:
        ValueError: a number is less than 1, or C is not divisible by `num_groups`.

    Source: Wu and He, "Group normalization" (2018).

    Examples:
        >>> nn.GroupNorm(2, 4)(mg.tensor([[1.0, 3.0, 10.0, 30.0]])).detach()
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups != 0:
            raise ValueError(f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._register_affine((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divide by the activity of neighbouring channels: ``y = x / (k + alpha / size * sum of x^2) ^ beta``.

    Input (N, C, ...).

    Args:
        size: over how many neighbouring channels the squares are summed.
        alpha, beta, k: the constants of the formula.

    Raises:
        ValueError: `size` is less than 1.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012), where
    alpha is not divided by the size.

    Examples:
        >>> nn.LocalResponseNorm(3, alpha=3.0, beta=1.0)(mg.ones(1, 3, 1)).reshape(-1)
        tensor([0.3333, 0.2500, 0.3333])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        check_positive("LocalResponseNorm", size=size)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
