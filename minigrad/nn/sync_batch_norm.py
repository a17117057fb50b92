"""SyncBatchNorm: batch normalisation with the statistics of the batches of all processes together."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function, FusedFunction
from minigrad.autograd.function import Context, Gradients
from minigrad.distributed.group import is_initialized, process_group
from minigrad.kernels import implementation
from minigrad.nn.module import Module
from minigrad.nn.normalization import BatchNorm1d, BatchNorm2d, _BatchNorm
from minigrad.pending import finish
from minigrad.tensor import Tensor, from_array

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes; in evaluation, and alone, as BatchNorm1d and 2d.

    Input (N, C), (N, C, L) or (N, C, H, W).

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as for BatchNorm2d.
        process_group: taken for PyTorch's sake: there is one group.

    Raises:
        ValueError: `num_features` is less than 1.

    Examples:
        >>> nn.SyncBatchNorm(2)(mg.tensor([[1.0, 10.0], [3.0, 30.0]])).detach()
        tensor([[-1.0000, -1.0000],
                [ 1.0000,  1.0000]])
    """

    _input_dims = (2, 3, 4)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not is_initialized() or process_group().size == 1:
            return super().forward(input)
        if input.ndim not in self._input_dims:
            raise ValueError(f"SyncBatchNorm: expected 2D, 3D or 4D input (got {input.ndim}D input)")
        if input.shape[1] != self.num_features:
            raise RuntimeError(f"SyncBatchNorm: expected {self.num_features} channels, got shape {list(input.shape)}")
        mean, invstd, count = _statistics(input, self.eps)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            for running in (self.running_mean, self.running_var):
                finish(running)
            running = self.running_mean.array, self.running_var.array
            implementation("batch_norm", mean).track(*running, mean, invstd, momentum, self.eps, count)
            self.running_mean._bump_version()
            self.running_var._bump_version()
        statistics = from_array(mean), from_array(invstd)
        return SynchronizedNorm.apply(input, self.weight, self.bias, *statistics, self.eps, count)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: None = None) -> Module:
        """Replace every BatchNorm1d and BatchNorm2d in a model by a SyncBatchNorm with the same parameters and buffers.

        Args:
            module: the model, which is changed; or a layer itself.
            process_group: taken for PyTorch's sake: there is one group.

        Returns:
            The model; the new layer, if `module` is one.

        Examples:
            >>> model = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
            >>> model[1]
            SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        """
        if isinstance(module, BatchNorm1d | BatchNorm2d):
            layer = cls.__new__(cls)
            layer.__dict__.update(module.__dict__)
            return layer
        for name, child in module.named_children():
            setattr(module, name, cls.convert_sync_batchnorm(child))
        return module


def _statistics(input: Tensor, eps: float) -> tuple[np.ndarray, np.ndarray, int]:
    """The mean and 1 / sqrt(variance + eps) of each channel over all processes, and how many elements it has there."""
    x = input.array
    here, invstd = implementation("batch_norm", x).statistics(x, eps)
    mean, var = here.astype(np.float64), 1 / np.square(invstd.astype(np.float64)) - eps
    # Sums of deviations, not of squares: those would cancel. All gather the same numbers, and add them alike.
    gathered = process_group().all_gather(np.stack([np.full_like(mean, x.size // x.shape[1]), mean, var]))
    counts, means, variances = gathered[:, 0], gathered[:, 1], gathered[:, 2]
    count = int(counts[:, 0].sum())
    if count < 2:
        raise ValueError(
            f"SyncBatchNorm: Expected more than 1 value per channel when training, got input size {list(input.shape)} "
            "and no more in the other processes"
        )
    means, variances = (np.where(counts > 0, values, 0.0) for values in (means, variances))  # an empty batch has none
    total = (counts * means).sum(0) / count
    variance = (counts * (variances + np.square(means - total))).sum(0) / count
    return total.astype(x.dtype), (1 / np.sqrt(variance + eps)).astype(x.dtype), count


class AllReduce(Function):
    """The sum over all processes; so is the gradient's"""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        total = x.array.copy()
        process_group().all_reduce(total).wait()
        return from_array(total)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return AllReduce.apply(grad_output)


class SynchronizedNorm(FusedFunction):
    """(x - mean) / sqrt(var + eps) * weight + bias; the statistics are those of `count` elements in all processes"""

    fresh_gradients = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        invstd: Tensor,
        eps: float,
        count: int,
    ) -> Tensor:
        ctx.count = count
        ctx.save_for_backward(x, weight, mean, invstd)
        vectors: list[Any] = [None if vector is None else vector.array for vector in (weight, bias, mean, invstd)]
        return from_array(implementation("batch_norm", x.array).normalize(x.array, *vectors))

    @staticmethod
    def definition(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, invstd: Tensor, eps: float, count: int
    ) -> Tensor:
        dims, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
        centred = x - (AllReduce.apply(x.sum(dims)) / count).reshape(shape)
        y = centred * (AllReduce.apply((centred * centred).sum(dims)) / count + eps).rsqrt().reshape(shape)
        y = y if weight is None else y * weight.reshape(shape)
        return y if bias is None else y + bias.reshape(shape)

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        arrays: list[Any] = [None if saved is None else saved.array for saved in ctx.saved_tensors]
        x, weight, mean, invstd = arrays
        kernel = implementation("batch_norm", x)
        weight = np.ones_like(mean) if weight is None else weight
        gradients: Any = kernel.backward(grad_output.array, x, weight, mean, invstd)
        dx, dweight, dbias = gradients
        sums = np.stack([dbias, dweight]).astype(np.float64)
        everywhere = sums.copy()
        process_group().all_reduce(everywhere).wait()
        # The kernel has subtracted this process's averages of dy and dy x^; the averages of all are wanted.
        shift, slope = weight * invstd * (sums * x.shape[1] / max(1, x.size) - everywhere / ctx.count)
        dx += kernel.normalize(x, None, shift.astype(x.dtype), mean, (slope * invstd).astype(x.dtype))
        needs = ctx.needs_input_grad[:3]
        return (
            *[from_array(gradient) if need else None for gradient, need in zip(gradients, needs, strict=True)],
            None,
            None,
            None,
            None,
        )
