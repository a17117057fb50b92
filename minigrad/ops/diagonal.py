"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor, dimension
from minigrad.tensor import Tensor, from_array

__all__ = ["diag", "diagonal", "tril", "triu"]


class Diagonal(Function):
    """The diagonal of two dimensions as a new last one: a view"""

    is_view = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
        ctx.shape, ctx.where = x.shape, (offset, dim1, dim2)
        diagonal = x.array.diagonal(offset, dim1, dim2)
        if isinstance(diagonal, np.ndarray):
            diagonal.flags.writeable = x.array.flags.writeable
        return from_array(diagonal)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return DiagonalAdjoint.apply(grad_output, ctx.shape, ctx.where), None, None, None


class DiagonalAdjoint(Function):
    """Zeros of `shape` with the values on a diagonal; the derivative is `Diagonal`"""

    @staticmethod
    def forward(ctx: Context, values: Tensor, shape: tuple[int, ...], where: Any) -> Tensor:
        ctx.where = where
        whole = array_module(values.array).zeros(shape, values.dtype)
        diagonal = whole.diagonal(*where)
        if isinstance(diagonal, np.ndarray):
            diagonal.flags.writeable = True
        diagonal[...] = values.array
        return from_array(whole)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Diagonal.apply(grad_output, *ctx.where), None, None


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Take a view of the diagonal of two dimensions, which becomes a new last dimension.

    Args:
        input: a tensor of at least 2 dimensions.
        offset: which diagonal: 0 the main one, positive ones to its right, negative ones below.
        dim1, dim2: the two dimensions.

    Raises:
        RuntimeError: the two dimensions are the same.
        IndexError: there is no such dimension.

    Examples:
        >>> mg.diagonal(mg.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    check_tensor("diagonal", "input", input)
    dim1, dim2 = dimension("diagonal", dim1, input.ndim), dimension("diagonal", dim2, input.ndim)
    if dim1 == dim2:
        raise RuntimeError(f"diagonal: dimensions cannot be identical {dim1}, {dim2}")
    return Diagonal.apply(input, offset, dim1, dim2)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Make the matrix with a given vector on a diagonal, or copy a diagonal of a given matrix.

    Args:
        input: a vector or a matrix.
        diagonal: which one, as `diagonal`'s offset.

    Raises:
        RuntimeError: the tensor has neither 1 nor 2 dimensions.

    Examples:
        >>> mg.diag(mg.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
        >>> mg.diag(mg.tensor([[1, 2], [3, 4]]), 1)
        tensor([2])
    """
    check_tensor("diag", "input", input)
    if input.ndim == 1:
        size = input.shape[0] + abs(diagonal)
        return DiagonalAdjoint.apply(input, (size, size), (diagonal, 0, 1))
    if input.ndim != 2:
        raise RuntimeError(f"diag: matrix or a vector expected, got shape {list(input.shape)}")
    return Diagonal.apply(input, diagonal, 0, 1).clone()


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Copy the lower triangle of each matrix, zeros elsewhere.

    Args:
        input: (..., rows, columns).
        diagonal: the last diagonal to keep; 0 is the main one, 1 the one above it.

    Raises:
        RuntimeError: the tensor has fewer than 2 dimensions.

    Examples:
        >>> mg.tril(mg.ones(3, 3, dtype=mg.int64))
        tensor([[1, 0, 0],
                [1, 1, 0],
                [1, 1, 1]])
    """
    return input.masked_fill(from_array(~_triangle("tril", input, diagonal)), 0)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Copy the upper triangle of each matrix, zeros elsewhere.

    Args:
        input: (..., rows, columns).
        diagonal: the first diagonal to keep; 0 is the main one, 1 the one above it.

    Raises:
        RuntimeError: the tensor has fewer than 2 dimensions.

    Examples:
        >>> mg.triu(mg.ones(3, 3, dtype=mg.int64), 1)
        tensor([[0, 1, 1],
                [0, 0, 1],
                [0, 0, 0]])
    """
    return input.masked_fill(from_array(_triangle("triu", input, diagonal - 1)), 0)


def _triangle(operation: str, input: Tensor, diagonal: int) -> Any:
    """True on and below the diagonal."""
    if check_tensor(operation, "input", input).ndim < 2:
        raise RuntimeError(f"{operation}: input tensor must have at least 2 dimensions, got {list(input.shape)}")
    rows, columns = input.shape[-2:]
    return array_module(input.array).tri(rows, columns, diagonal, bool)
