"""Reductions: many elements become one, over all dimensions or some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.ops.arguments import check_tensor, dimensions
from minigrad.tensor import Tensor

__all__ = ["sum"]

Dims = int | Sequence[int] | None


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the reduced dimensions kept as 1."""
    return tuple([1 if d in dims else size for d, size in enumerate(shape)])


class Sum(Function):
    """The sum over `dims`; each element's derivative is 1"""

    @staticmethod
    def forward(ctx, x, dims, keepdim):
        ctx.shape, ctx.kept = x.shape, _kept(x.shape, dims)
        return Tensor(x.array.sum(dims, keepdims=keepdim))

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.reshape(ctx.kept).expand(ctx.shape), None, None


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """The sum over `dim` (None: over all dimensions); integers and booleans are summed as int64."""
    check_tensor("sum", "input", input)
    dims = dimensions("sum", dim, input.ndim)
    if dtype is not None:
        input = input.to(dtypes.check_dtype("sum", dtype))
    elif input.dtype.kind != "f":
        input = input.to(np.dtype("int64"))
    return Sum.apply(input, dims, keepdim)
