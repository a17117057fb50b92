"""Broadcasting as an operation: expansion without a copy, and its adjoint, a sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.backward import sum_to_shape
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor, takes_sizes
from minigrad.tensor import Tensor, from_array

__all__ = ["broadcast_to"]


class Expand(Function):
    """Elements repeated by strides of 0; the engine sums the gradient over the repeats"""

    is_view = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        expanded = array_module(x.array).broadcast_to(x.array, shape)
        if isinstance(expanded, np.ndarray):
            # NumPy forbids writing altogether; the engine refuses it only where elements do share memory.
            expanded.flags.writeable = x.array.flags.writeable
        return from_array(expanded)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output, None


@takes_sizes
def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """Take a view in which dimensions of size 1 are repeated, without copying.

    Args:
        input: a tensor.
        size: the wanted shape, as integers or one sequence; -1 keeps a size, more sizes than dimensions make new
            dimensions in front.

    Raises:
        RuntimeError: a size does not fit, or there are too few.

    Examples:
        >>> mg.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    target = size
    added = len(target) - input.ndim
    if added < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({input.ndim})"
        )
    shape = []
    for dim, size_there in enumerate(target):
        existing = input.shape[dim - added] if dim >= added else 1
        if (size_there == -1 and dim < added) or size_there < -1:
            raise RuntimeError(f"expand: the expanded size {size_there} isn't allowed in dimension {dim}")
        if size_there not in (-1, existing) and existing != 1:
            raise RuntimeError(
                f"expand: The expanded size of the tensor ({size_there}) must match the existing size "
                f"({existing}) at non-singleton dimension {dim}.  Target sizes: {list(target)}.  Tensor "
                f"sizes: {list(input.shape)}"
            )
        shape.append(existing if size_there == -1 else size_there)
    return Expand.apply(input, tuple(shape))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expand a tensor to the shape of another, as `expand`.

    Args:
        input: a tensor.
        other: the tensor that gives the shape.

    Examples:
        >>> mg.tensor([1, 2]).expand_as(mg.zeros(2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, check_tensor("expand_as", "other", other).shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Expand a tensor to a shape, as `expand`.

    Args:
        input: a tensor.
        size: the wanted shape.

    Examples:
        >>> mg.broadcast_to(mg.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, size)


@takes_sizes
def sum_to_size(input: Tensor, size: Sequence[int]) -> Tensor:
    """Sum a tensor to a shape that would broadcast to its own: the gradient of `expand`.

    Args:
        input: a tensor.
        size: the wanted shape, as integers or one sequence.

    Raises:
        RuntimeError: the shape would not broadcast to the tensor's.

    Examples:
        >>> mg.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    if len(size) > input.ndim or any(n not in (1, m) for n, m in zip(size[::-1], input.shape[::-1], strict=False)):
        raise RuntimeError(f"sum_to_size: size {list(size)} is not expandable to size {list(input.shape)}")
    return sum_to_shape(input, tuple(size))
