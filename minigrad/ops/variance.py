"""Variance and standard deviation."""

from __future__ import annotations

import math

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.ops.arguments import check_number, check_tensor, dimensions, in_float32
from minigrad.ops.reduction import Dims, Root, elements_over, kept_shape, mean, sum_array
from minigrad.tensor import Tensor, from_array

__all__ = ["std", "std_mean", "var", "var_mean"]


def centred(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """`x` less its mean over `dims`.

    It is taken off twice: the mean of large numbers is rounded, and what that leaves the second mean takes.
    """
    x = x - mean(x, dims, keepdim=True)
    return x - mean(x, dims, keepdim=True)


class Var(Function):
    """The sum of squared distances to the mean over `dims`, divided by `divisor`"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.dims, ctx.divisor = dims, divisor
        of_dtype = x.array.dtype.type
        count = of_dtype(elements_over(x, dims))
        distance = x.array - sum_array(x.array, dims, True) / count
        distance -= sum_array(distance, dims, True) / count  # as in `centred`
        return from_array(sum_array(distance * distance, dims, keepdim) / of_dtype(divisor))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (x,) = ctx.saved_tensors
        factor = 2 / ctx.divisor if ctx.divisor else math.nan
        return grad_output.reshape(kept_shape(x.shape, ctx.dims)) * (centred(x, ctx.dims) * factor), None, None, None


@in_float32
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Compute the variance: the squared distances to the mean, divided by their number less `correction`.

    Args:
        input: a floating-point tensor.
        dim: the dimension or dimensions; None means all. ``var(unbiased)`` is accepted too.
        unbiased: False means a correction of 0.
        keepdim: keep the reduced dimensions with size 1.
        correction: subtracted from the number of elements; None means 1.

    Raises:
        TypeError: both `unbiased` and `correction` are given.
        IndexError: there is no such dimension.
        RuntimeError: the input is not floating-point, or a dimension is named twice.

    Examples:
        >>> x = mg.tensor([1.0, 2.0, 3.0, 4.0])
        >>> x.var(), x.var(correction=0)
        (tensor(1.6667), tensor(1.2500))
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError("var: give either unbiased or correction, not both")
    check_tensor("var", "input", input)
    if input.dtype.kind != "f":
        raise RuntimeError(f"var: std and var only support floating point dtypes, got {input.dtype}")
    dims = dimensions("var", dim, input.ndim)
    if correction is None:
        correction = 0 if unbiased is False else 1
    check_number("var", "correction", correction)
    return Var.apply(input, dims, max(elements_over(input, dims) - correction, 0), keepdim)


@in_float32
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Compute the standard deviation, the root of `var`; its derivative at 0 is 0.

    Args:
        input, dim, unbiased, keepdim, correction: as for `var`.

    Raises:
        TypeError: both `unbiased` and `correction` are given.
        IndexError: there is no such dimension.
        RuntimeError: the input is not floating-point, or a dimension is named twice.

    Examples:
        >>> mg.tensor([1.0, 3.0]).std(correction=0)
        tensor(1.)
    """
    return Root.apply(var(input, dim, unbiased, keepdim, correction=correction), 2)


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute the variance and the mean.

    Args:
        input, dim, unbiased, keepdim, correction: as for `var`.

    Examples:
        >>> mg.var_mean(mg.tensor([1.0, 3.0]))
        (tensor(2.), tensor(2.))
    """
    first = var(input, dim, unbiased, keepdim, correction=correction)
    return first, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute the standard deviation and the mean.

    Args:
        input, dim, unbiased, keepdim, correction: as for `std`.

    Examples:
        >>> mg.std_mean(mg.tensor([1.0, 5.0]), correction=0)
        (tensor(2.), tensor(3.))
    """
    first = std(input, dim, unbiased, keepdim, correction=correction)
    return first, mean(input, None if isinstance(dim, bool) else dim, keepdim)
