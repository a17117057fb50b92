"""Copies: to another dtype, another device, another layout in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import cuda_backend, cuda_device_count, pinned, to_device
from minigrad.device import device as Device
from minigrad.ops.arguments import check_tensor
from minigrad.tensor import Tensor, from_array

__all__ = ["channels_last", "clone", "contiguous_format", "preserve_format"]

# A tensor is NCHW in its shape; "channels last" says that it lies in memory as NHWC.
contiguous_format, channels_last, preserve_format = "contiguous_format", "channels_last", "preserve_format"


class Cast(Function):
    """The same numbers in another dtype; the engine casts the gradient back"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dtype: Any) -> Tensor:
        return from_array(x.array.astype(dtype))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output, None


class Transfer(Function):
    """The same numbers on another device"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, device: Any, non_blocking: bool) -> Tensor:
        ctx.home = x.device
        return from_array(to_device(x.array, device, non_blocking))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output.to(ctx.home), None, None


class Clone(Function):
    """A copy; `order` is NumPy's: "C" row-major, "K" as it lies, "channels_last" NHWC in memory"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, order: str) -> Tensor:
        if order == channels_last:
            copy = x.array.transpose(0, 2, 3, 1).copy("C").transpose(0, 3, 1, 2)
            return from_array(copy)
        return from_array(x.array.copy(order))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output, None


def _order(operation: str, memory_format: str) -> str:
    orders = {contiguous_format: "C", preserve_format: "K", channels_last: channels_last}
    if memory_format not in orders:
        raise ValueError(f"{operation}: memory_format must be one of {tuple(orders)}, got {memory_format!r}")
    return orders[memory_format]


def clone(input: Tensor, *, memory_format: str = preserve_format) -> Tensor:
    """Copy a tensor; gradients flow through the copy.

    Args:
        input: a tensor.
        memory_format: `preserve_format` keeps the order in memory, `contiguous_format` is row-major,
            `channels_last` lays (N, C, H, W) out as (N, H, W, C).

    Raises:
        ValueError: `memory_format` is none of these.
        RuntimeError: `channels_last` for a tensor that is not 4-d.

    Examples:
        >>> x = mg.tensor([1.0, 2.0])
        >>> y = x.clone()
        >>> y[0] = 5
        >>> x, y
        (tensor([1., 2.]), tensor([5., 2.]))
    """
    order = _order("clone", memory_format)
    if order == channels_last:
        _check_four("clone", input)
    return Clone.apply(check_tensor("clone", "input", input), order)


def is_contiguous(input: Tensor, *, memory_format: str = contiguous_format) -> bool:
    """Tell whether the elements lie in memory without gaps and in the given order.

    Args:
        input: a tensor.
        memory_format: `contiguous_format` for row-major order, or `channels_last`.

    Raises:
        ValueError: `memory_format` is unknown.

    Examples:
        >>> x = mg.zeros(2, 3)
        >>> x.is_contiguous(), x.T.is_contiguous()
        (True, False)
    """
    if _order("is_contiguous", memory_format) == channels_last:
        return input.ndim == 4 and input.array.transpose(0, 2, 3, 1).flags.c_contiguous
    return input.array.flags.c_contiguous


def contiguous(input: Tensor, *, memory_format: str = contiguous_format) -> Tensor:
    """Return `input` itself if its elements lie in memory in the given order, else a copy that does.

    Args:
        input: a tensor.
        memory_format: `contiguous_format` for row-major order, or `channels_last`.

    Raises:
        ValueError: `memory_format` is unknown.
        RuntimeError: `channels_last` for a tensor that is not 4-d.

    Examples:
        >>> mg.zeros(2, 3).T.contiguous().stride()
        (2, 1)
    """
    if _order("contiguous", memory_format) == channels_last:
        _check_four("contiguous", input)
    if is_contiguous(input, memory_format=memory_format):
        return input
    return clone(input, memory_format=memory_format)


def _check_four(operation: str, input: Tensor) -> None:
    if input.ndim != 4:
        raise RuntimeError(f"{operation}: required rank 4 tensor to use channels_last format, got shape {input.shape}")


def to(
    input: Tensor,
    *args: Any,
    device: Device | str | None = None,
    dtype: DTypeLike | None = None,
    copy: bool = False,
    memory_format: str | None = None,
    non_blocking: bool = False,
) -> Tensor:
    """Convert to another dtype, device or memory format; returns `input` itself if nothing changes.

    ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` and ``to(other)`` are accepted, as in PyTorch.

    Args:
        input: a tensor.
        device: "cpu", "cuda" or a `device`.
        dtype: the elements' type.
        copy: copy even if nothing changes.
        memory_format: as for `contiguous`.
        non_blocking: do not wait for a copy between the host's pinned memory and a GPU. The source must not be
            written, nor the result read on the host, before a `cuda.Event` recorded after it has completed.

    Raises:
        RuntimeError: the device is not there.

    Examples:
        >>> mg.tensor([1.7, -1.7]).to(mg.int64)
        tensor([ 1, -1])
    """
    for argument in args:
        if isinstance(argument, Tensor):
            device, dtype = argument.device, argument.dtype
        elif isinstance(argument, str | Device) and not _names_dtype(argument):
            device = argument
        elif isinstance(argument, bool):
            non_blocking = argument
        elif argument is not None:
            dtype = argument
    if dtype is not None:
        dtype = dtypes.check_dtype("to", dtype)
    result = input
    if device is not None:
        device = Device(device)
        here = input.device
        if device.type != here.type or (device.index is not None and device != here and device.type != "cpu"):
            result = Transfer.apply(result, device, non_blocking)
    if dtype is not None and dtype != result.dtype:
        result = Cast.apply(result, dtype)
    if memory_format is not None and memory_format != preserve_format:
        result = contiguous(result, memory_format=memory_format)
    return clone(result) if copy and result is input else result


def _names_dtype(name: str | Device) -> bool:
    try:
        return isinstance(name, str) and np.dtype(name) is not None
    except TypeError:
        return False


def cpu(input: Tensor) -> Tensor:
    """Return `input` in the host's memory, itself if it is there already.

    Examples:
        >>> mg.ones(2).cpu().device
        device(type='cpu')
    """
    return to(input, device="cpu")


def cuda(input: Tensor, device: Device | str | int | None = None, non_blocking: bool = False) -> Tensor:
    """Return a tensor on an NVIDIA GPU, itself if it is there already.

    Args:
        input: a tensor.
        device: the GPU's number or a `device`; None means the current one.
        non_blocking: as for `to`.

    Examples:
        >>> x = mg.ones(2).cuda() if mg.cuda.is_available() else mg.ones(2)
    """
    where = Device("cuda", device) if device is None or isinstance(device, int) else Device(device)
    return to(input, device=where, non_blocking=non_blocking)


def pin_memory(input: Tensor) -> Tensor:
    """Return a copy of `input` in pinned host memory, which a GPU can read while the host continues.

    Raises:
        RuntimeError: the tensor is on a GPU.

    Examples:
        >>> if mg.cuda.is_available():
        ...     batch = mg.ones(2).pin_memory().to("cuda", non_blocking=True)
    """
    check_tensor("pin_memory", "input", input)
    if input.is_cuda:
        raise RuntimeError(f"pin_memory: only tensors of the CPU can be pinned, got one on {input.device}")
    return input if is_pinned(input) else from_array(pinned(input.array))


def is_pinned(input: Tensor) -> bool:
    """Tell whether `input` lies in pinned host memory; always False without a GPU.

    Examples:
        >>> mg.ones(2).is_pinned()
        False
    """
    return not input.is_cuda and cuda_device_count() > 0 and cuda_backend().is_pinned(input.array)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Convert to the dtype of another tensor.

    Args:
        input: a tensor.
        other: the tensor that gives the dtype.

    Examples:
        >>> mg.tensor([1, 2]).type_as(mg.tensor(0.5))
        tensor([1., 2.])
    """
    return to(input, check_tensor("type_as", "other", other).dtype)
