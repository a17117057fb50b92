"""Tensors mirrored and rotated by right angles, and tensors of at least so many dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.ops.arguments import broadcast_shapes, check_tensor, dimensions
from minigrad.ops.expand import expand
from minigrad.ops.joining import cat, flip
from minigrad.ops.shape import transpose
from minigrad.tensor import Tensor

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors", "column_stack", "fliplr", "flipud", "rot90"]


def fliplr(input: Tensor) -> Tensor:
    """Reverse the second dimension, in a copy.

    Args:
        input: a tensor of at least 2 dimensions.

    Raises:
        RuntimeError: it has fewer.

    Examples:
        >>> mg.fliplr(mg.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
    """
    if check_tensor("fliplr", "input", input).ndim < 2:
        raise RuntimeError(f"fliplr: input must be >= 2-d, got shape {list(input.shape)}")
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Reverse the first dimension, in a copy.

    Args:
        input: a tensor of at least 1 dimension.

    Raises:
        RuntimeError: it has none.

    Examples:
        >>> mg.flipud(mg.tensor([[1, 2], [3, 4]]))
        tensor([[3, 4],
                [1, 2]])
    """
    if check_tensor("flipud", "input", input).ndim < 1:
        raise RuntimeError("flipud: input must be >= 1-d, got shape []")
    return flip(input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Rotate by right angles in the plane of two dimensions, in a copy.

    Args:
        input: a tensor of at least 2 dimensions.
        k: how many right angles, from the first dimension towards the second.
        dims: the two dimensions.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: they are not two different ones.

    Examples:
        >>> mg.rot90(mg.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    plane = dimensions("rot90", dims, check_tensor("rot90", "input", input).ndim)
    if len(dims) != 2 or len(plane) != 2:
        raise RuntimeError(f"rot90: expected two dimensions, got {dims} for shape {list(input.shape)}")
    first, second = plane
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return flip(input, plane)
    return flip(transpose(input, first, second), (first if k % 4 == 1 else second,))


def atleast_1d(input: Tensor) -> Tensor:
    """View a number as a vector of one element; leave all else as it is.

    Args:
        input: a tensor.

    Examples:
        >>> mg.atleast_1d(mg.tensor(3))
        tensor([3])
    """
    return check_tensor("atleast_1d", "input", input).reshape(1) if input.ndim == 0 else input


def atleast_2d(input: Tensor) -> Tensor:
    """View a number or a vector as a matrix of one row; leave all else as it is.

    Args:
        input: a tensor.

    Examples:
        >>> mg.atleast_2d(mg.tensor([3, 4]))
        tensor([[3, 4]])
    """
    check_tensor("atleast_2d", "input", input)
    return atleast_1d(input).unsqueeze(0) if input.ndim < 2 else input


def atleast_3d(input: Tensor) -> Tensor:
    """View a number, a vector or a matrix (n, m) as a tensor (1, 1, 1), (1, n, 1) or (n, m, 1).

    Args:
        input: a tensor.

    Examples:
        >>> mg.atleast_3d(mg.tensor([3, 4])).shape
        (1, 2, 1)
    """
    check_tensor("atleast_3d", "input", input)
    return atleast_2d(input).unsqueeze(2) if input.ndim < 3 else input


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors beside one another; vectors and numbers are columns.

    Args:
        tensors: tensors with equally many rows.

    Raises:
        RuntimeError: the shapes do not fit, or the devices differ.
        ValueError: there are no tensors.

    Examples:
        >>> mg.column_stack((mg.tensor([1, 2]), mg.tensor([3, 4])))
        tensor([[1, 3],
                [2, 4]])
    """
    columns = [check_tensor("column_stack", f"tensors[{i}]", tensor) for i, tensor in enumerate(tensors)]
    return cat([column.reshape(-1, 1) if column.ndim < 2 else column for column in columns], 1)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """View tensors in the one shape that all of them broadcast to.

    Args:
        *tensors: the tensors.

    Raises:
        RuntimeError: the shapes do not broadcast.

    Examples:
        >>> a, b = mg.broadcast_tensors(mg.zeros(2, 1), mg.zeros(3))
        >>> a.shape, b.shape
        ((2, 3), (2, 3))
    """
    given: Any = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    for i, tensor in enumerate(given):
        check_tensor("broadcast_tensors", f"tensors[{i}]", tensor)
    shape = broadcast_shapes("broadcast_tensors", *[tensor.shape for tensor in given])
    return tuple([expand(tensor, shape) for tensor in given])
