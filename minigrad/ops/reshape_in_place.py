"""Another shape for the same tensor, in place."""

from __future__ import annotations

from typing import Any

from minigrad.autograd.inplace import become
from minigrad.device import array_module
from minigrad.ops import shape
from minigrad.ops.arguments import check_tensor, sizes
from minigrad.tensor import Tensor


def squeeze_(input: Tensor, *dim: Any) -> Tensor:
    """Drop dimensions of size 1 of `input` in place; see `squeeze`.

    Args:
        *dim: one dimension or several; none for all.

    Raises:
        RuntimeError: the tensor is a leaf that requires grad.

    Examples:
        >>> mg.zeros(1, 2).squeeze_().shape
        (2,)
    """
    return become(input, lambda x: shape.squeeze(x, *dim))


def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 into `input` in place; see `unsqueeze`.

    Args:
        dim: where it is to be.

    Raises:
        RuntimeError: the tensor is a leaf that requires grad.

    Examples:
        >>> mg.zeros(2).unsqueeze_(0).shape
        (1, 2)
    """
    return become(input, lambda x: shape.unsqueeze(x, dim))


def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions of `input` in place; see `transpose`.

    Args:
        dim0, dim1: the dimensions.

    Raises:
        RuntimeError: the tensor is a leaf that requires grad.

    Examples:
        >>> mg.zeros(2, 3).transpose_(0, 1).shape
        (3, 2)
    """
    return become(input, lambda x: shape.transpose(x, dim0, dim1))


swapaxes_ = swapdims_ = transpose_


def t_(input: Tensor) -> Tensor:
    """Transpose a matrix `input` in place; see `t`.

    Raises:
        RuntimeError: the tensor has more than 2 dimensions, or is a leaf that requires grad.

    Examples:
        >>> mg.zeros(2, 3).t_().shape
        (3, 2)
    """
    return become(input, shape.t)


def resize_(input: Tensor, *size: Any) -> Tensor:
    """Give `input` another size: its elements stay in their order, those too many go, new ones are not set.

    Args:
        *size: integers, or a sequence of them.

    Raises:
        RuntimeError: the tensor requires grad, or a size is negative.

    Examples:
        >>> mg.arange(6).resize_(2, 2)
        tensor([[0, 1],
                [2, 3]])
    """
    new = sizes("resize_", size)
    if check_tensor("resize_", "input", input).requires_grad:
        raise RuntimeError("resize_: cannot resize variables that require grad")
    if any([length < 0 for length in new]):
        raise RuntimeError(f"resize_: negative dimensions are not allowed, got {list(new)}")
    flat, count = input.array.reshape(-1), 1
    for length in new:
        count *= length
    if count > flat.size:
        larger = array_module(flat).empty(count, flat.dtype)
        larger[: flat.size] = flat
        flat = larger
    input.array = flat[:count].reshape(new)
    input._bump_version()
    return input


def resize_as_(input: Tensor, other: Tensor) -> Tensor:
    """Give `input` the size of another tensor; see `resize_`.

    Args:
        other: the other tensor.

    Raises:
        RuntimeError: the tensor requires grad.

    Examples:
        >>> mg.arange(6).resize_as_(mg.zeros(2, 2)).shape
        (2, 2)
    """
    return resize_(input, check_tensor("resize_as_", "other", other).shape)
