"""Running sums and products: each element with all that come before it along a dimension."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.ops.arguments import check_tensor, dimension, in_float32
from minigrad.ops.reduction import running_product, summand
from minigrad.tensor import Tensor, from_array

__all__ = ["cumprod", "cumsum"]


class CumSum(Function):
    """The sums of all elements up to each one along a dimension"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        # A running sum loses digits at each step: float32 is added up in float64, as PyTorch does.
        wide = np.float64 if x.array.dtype.kind == "f" else x.array.dtype
        return from_array(x.array.cumsum(dim, wide).astype(x.array.dtype, copy=False))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        dims = (ctx.dim,)
        return CumSum.apply(grad_output.flip(dims), ctx.dim).flip(dims), None


def cumsum(input: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """Compute the running sums along a dimension.

    Args:
        input: a tensor; integers and booleans are summed as int64.
        dim: the dimension.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.

    Examples:
        >>> mg.cumsum(mg.tensor([1, 2, 3, 4]), 0)
        tensor([ 1,  3,  6, 10])
    """
    input = summand("cumsum", check_tensor("cumsum", "input", input), dtype)
    dim = dimension("cumsum", dim, input.ndim)
    if input.ndim == 0:
        return CumSum.apply(input.reshape(1), 0).reshape(())
    return CumSum.apply(input, dim)


@in_float32
def cumprod(input: Tensor, dim: int, *, dtype: DTypeLike | None = None) -> Tensor:
    """Compute the running products along a dimension.

    Args:
        input: a tensor; integers and booleans are multiplied as int64.
        dim: the dimension.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.

    Examples:
        >>> mg.cumprod(mg.tensor([1, 2, 3, 4]), 0)
        tensor([ 1,  2,  6, 24])
    """
    input = summand("cumprod", check_tensor("cumprod", "input", input), dtype)
    dim = dimension("cumprod", dim, input.ndim)
    return running_product(input, dim) * 1 if input.ndim else input.clone()
