"""Reading and filling where a mask is true."""

from __future__ import annotations

from typing import Any

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.ops.arguments import (
    beside,
    broadcast_shapes,
    check_same_device,
    check_tensor,
    number,
)
from minigrad.ops.indexing import getitem
from minigrad.tensor import Tensor, from_array

__all__ = ["masked_fill", "masked_select"]


class MaskedFill(Function):
    """x with `value` where the mask holds; no gradient flows there, and all that it stops flows to `value`"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, mask: Tensor, value: Any) -> Tensor:
        ctx.save_for_backward(mask)
        array = x.array
        filled = array_module(array).where(mask.array, beside(value.array, array), array)
        return from_array(filled.astype(array.dtype, copy=False))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (mask,) = ctx.saved_tensors
        grad_value = grad_output.masked_fill(~mask, 0) if ctx.needs_input_grad[2] else None
        return grad_output.masked_fill(mask, 0), None, grad_value


def _check_mask(operation: str, input: Tensor, mask: Tensor) -> None:
    check_tensor(operation, "input", input)
    check_tensor(operation, "mask", mask)
    if mask.dtype != bool:
        raise RuntimeError(f"{operation}: only supports boolean masks, but got mask with dtype {mask.dtype}")
    check_same_device(operation, input, mask)
    broadcast_shapes(operation, input.shape, mask.shape)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Copy a tensor with `value` where a mask is true; no gradient flows there.

    Args:
        input: a tensor.
        mask: a boolean tensor that broadcasts with `input`.
        value: a number or a 0-d tensor.

    Raises:
        RuntimeError: the mask is not boolean, `value` has dimensions, or shapes or devices do not fit.

    Examples:
        >>> x = mg.tensor([1.0, -2.0, 3.0])
        >>> x.masked_fill(x < 0, 0)
        tensor([1., 0., 3.])
    """
    _check_mask("masked_fill", input, mask)
    if not isinstance(value, Tensor):
        value = number("masked_fill", value, input.dtype)
    elif value.ndim:
        raise RuntimeError(f"masked_fill: only supports a 0-dimensional value tensor, but got shape {value.shape}")
    elif value.is_cuda or value.requires_grad:
        check_same_device("masked_fill", input, value)
    return MaskedFill.apply(input, mask, value)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Copy the elements at which a mask is true into a vector.

    Args:
        input: a tensor.
        mask: a boolean tensor; both are broadcast.

    Raises:
        RuntimeError: the mask is not boolean, or shapes or devices do not fit.

    Examples:
        >>> x = mg.tensor([[1, 2], [3, 4]])
        >>> mg.masked_select(x, x > 2)
        tensor([3, 4])
    """
    _check_mask("masked_select", input, mask)
    shape = broadcast_shapes("masked_select", input.shape, mask.shape)
    return getitem(input.expand(shape), mask.expand(shape))
