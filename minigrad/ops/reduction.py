"""Reductions over all or some dimensions.

Maxima and minima are in `minigrad.ops.sorting`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.kernels import implementation
from minigrad.ops.arguments import check_tensor, dimension, dimensions, floating, in_float32
from minigrad.ops.choice import where
from minigrad.ops.comparison import eq
from minigrad.ops.joining import cat
from minigrad.ops.pointwise import abs, sign
from minigrad.tensor import Tensor, from_array

__all__ = ["dist", "logsumexp", "mean", "norm", "prod", "sum"]

Dims = int | Sequence[int] | None


def kept_shape(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the reduced dimensions kept as 1."""
    return tuple([1 if d in dims else size for d, size in enumerate(shape)])


def _spread(reduced: Tensor, shape: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """A reduced tensor repeated over the dimensions that are gone."""
    return reduced.reshape(kept_shape(shape, dims)).expand(shape)


SMALL = 1 << 14  # elements below which NumPy's own sum is as good and as fast


def sum_array(a: Any, dims: tuple[int, ...], keepdim: bool = False) -> Any:
    """The sum of an array over `dims`: fast and accurate in any layout."""
    if not dims:
        return a.copy()
    if (a.size < SMALL and isinstance(a, np.ndarray)) or not a.size or a.dtype not in (np.float32, np.float64):
        # float16 is a format to store, not to add in.
        wide = np.float32 if a.dtype == np.float16 else a.dtype
        return a.sum(dims, wide, keepdims=keepdim).astype(a.dtype, copy=False)
    shape = kept_shape(a.shape, dims)
    in_memory = sorted(range(a.ndim), key=lambda d: -builtins.abs(a.strides[d]))
    total = array_module(a).ascontiguousarray(a.transpose(in_memory))
    # From the innermost dimension outwards: neighbours that go together are summed as one.
    before, after = total.size, 1
    for reduced, run in _runs([(d in dims, a.shape[d]) for d in reversed(in_memory)]):
        before //= run
        if reduced:
            total = implementation("reduction", total).sum_middle(total.reshape(before, run, after))
        else:
            after *= run
    kept_order = [shape[d] for d in in_memory]
    total = total.reshape(kept_order).transpose([in_memory.index(d) for d in range(a.ndim)])
    return total if keepdim else total.reshape([a.shape[d] for d in range(a.ndim) if d not in dims])


def _runs(items: list[tuple[bool, int]]) -> list[tuple[bool, int]]:
    """Neighbours with the same mark as one, their sizes multiplied."""
    runs: list[tuple[bool, int]] = []
    for mark, size in items:
        if runs and runs[-1][0] == mark:
            size *= runs.pop()[1]
        runs.append((mark, size))
    return runs


class Sum(Function):
    """The sum over `dims`; the derivative with respect to each element is 1"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
        ctx.shape, ctx.dims = x.shape, dims
        return from_array(sum_array(x.array, dims, keepdim))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return _spread(grad_output, ctx.shape, ctx.dims), None, None


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """Sum elements over some or all dimensions.

    Args:
        input: a tensor; integers and booleans are summed as int64.
        dim: the dimension or dimensions; None means all.
        keepdim: keep the reduced dimensions with size 1.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> x = mg.tensor([[1, 2], [3, 4]])
        >>> x.sum(), x.sum(0), x.sum(1, keepdim=True)
        (tensor(10), tensor([4, 6]), tensor([[3],
                [7]]))
    """
    check_tensor("sum", "input", input)
    dims = dimensions("sum", dim, input.ndim)
    return Sum.apply(summand("sum", input, dtype), dims, keepdim)


def summand(operation: str, input: Tensor, dtype: Any) -> Tensor:
    """`input` in the dtype asked for; otherwise integers and booleans as int64."""
    if dtype is not None:
        return input.to(dtypes.check_dtype(operation, dtype))
    return input if input.dtype.kind == "f" else input.to(dtypes.int64)


@in_float32
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """Average elements over some or all dimensions; over none the result is NaN.

    Args:
        input: a floating-point tensor.
        dim: the dimension or dimensions; None means all.
        keepdim: keep the reduced dimensions with size 1.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: the dtype is not floating-point, or a dimension is named twice.

    Examples:
        >>> mg.mean(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
        tensor([1.5000, 3.5000])
    """
    check_tensor("mean", "input", input)
    dtype = input.dtype if dtype is None else dtypes.check_dtype("mean", dtype)
    if dtype.kind != "f":
        raise RuntimeError(f"mean: expected a floating point dtype, got {dtype}; convert with .float()")
    dims = dimensions("mean", dim, input.ndim)
    return Sum.apply(input.to(dtype), dims, keepdim) / elements_over(input, dims)


def elements_over(input: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod([input.shape[d] for d in dims])


@in_float32
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """Compute the p-norm ``(sum |x|^p)^(1/p)``; the derivative of a norm that is 0 is 0.

    Args:
        input: a floating-point tensor.
        p: the exponent. 2 and "fro" are the Euclidean norm, inf and -inf the largest and the smallest absolute value,
            0 the number of nonzero elements.
        dim: the dimension or dimensions; None means all.
        keepdim: keep the reduced dimensions with size 1.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: the dtype is not floating-point, `p` is another string, a dimension is named twice, or the
            norm of order inf of no elements is asked for.

    Examples:
        >>> x = mg.tensor([3.0, -4.0])
        >>> x.norm(), x.norm(1), x.norm(float("inf"))
        (tensor(5.), tensor(7.), tensor(4.))
    """
    check_tensor("norm", "input", input)
    if dtype is not None:
        input = input.to(dtypes.check_dtype("norm", dtype))
    if input.dtype.kind != "f":
        raise RuntimeError(f"norm: expected a floating point tensor as input, got {input.dtype}")
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise RuntimeError(f"norm: the order p must be a number or 'fro', got {p!r}")
    dims = dimensions("norm", dim, input.ndim)
    if builtins.abs(p) == math.inf:
        if elements_over(input, dims) == 0:
            raise RuntimeError(f"norm: there is no norm of order {p} of no elements, got shape {list(input.shape)}")
        magnitude = abs(input)
        return magnitude.amax(dims, keepdim) if p > 0 else magnitude.amin(dims, keepdim)
    if p == 0:
        powers = abs(sign(input))
    elif p == 2:
        powers = input * input
    elif p == 1:
        powers = abs(input)
    elif p > 1:
        powers = abs(input) ** p
    else:
        # |x|^p is infinitely steep at 0; there the derivative is taken as 0
        zero = eq(input, 0)
        powers = where(zero, 0.0 if p > 0 else math.inf, abs(where(zero, 1.0, input)) ** p)
    total = Sum.apply(powers, dims, keepdim)
    return total if p in (0, 1) else Root.apply(total, p)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Compute the p-norm of the difference of two tensors.

    Args:
        input, other: floating-point tensors whose shapes broadcast.
        p: the order of the norm.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.dist(mg.tensor([1.0, 1.0]), mg.tensor([4.0, 5.0]))
        tensor(5.)
    """
    return norm(check_tensor("dist", "input", input) - check_tensor("dist", "other", other), p)


class Prod(Function):
    """The product over one dimension; an element's derivative is the product of the others"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dim: int, keepdim: bool) -> Tensor:
        product = from_array(x.array.prod(dim, x.array.dtype, keepdims=keepdim))
        ctx.dim = dim
        ctx.save_for_backward(x, product)
        return product

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, product = ctx.saved_tensors
        dims = (ctx.dim,)
        # Without zeros a division does it; a GPU is not waited for to find out.
        if (x.is_cuda and x.numel()) or bool((x.array == 0).any()):
            others = _products_before(x, ctx.dim) * _products_before(x.flip(dims), ctx.dim).flip(dims)
            return _spread(grad_output, x.shape, dims) * others, None, None
        return _spread(grad_output * product, x.shape, dims) / x, None, None


def _products_before(x: Tensor, dim: int) -> Tensor:
    """For each element the product of those before it."""
    return running_product(shifted(x, dim, 1), dim)


def running_product(x: Tensor, dim: int) -> Tensor:
    """For each element the product of all up to it: a scan, whose reach doubles with each step."""
    step = 1
    while step < x.shape[dim]:
        x = x * shifted(x, dim, step)
        step *= 2
    return x


def shifted(x: Tensor, dim: int, step: int) -> Tensor:
    """`x` moved `step` places up in `dim`, with ones in front."""
    ones = x.new_ones([step if d == dim else size for d, size in enumerate(x.shape)])
    return cat([ones, x.narrow(dim, 0, x.shape[dim] - step)], dim)


@in_float32
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """Multiply elements over one or all dimensions.

    Args:
        input: a tensor; integers and booleans are multiplied as int64.
        dim: the dimension; None means all.
        keepdim: keep the reduced dimension with size 1.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no such dimension.

    Examples:
        >>> mg.prod(mg.tensor([2, 3, 4]))
        tensor(24)
    """
    input = summand("prod", check_tensor("prod", "input", input), dtype)
    if dim is None or input.ndim == 0:
        product = Prod.apply(input.reshape(-1), 0, False)
        if dim is not None:
            dimension("prod", dim, 0)
        return product
    return Prod.apply(input, dimension("prod", dim, input.ndim), keepdim)


class LogSumExp(Function):
    """log(sum(exp(x))), computed with the maximum taken out so that exp cannot overflow"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
        a = x.array
        if a.size:
            largest = a.max(dims, keepdims=True)
            largest = np.where(np.isinf(largest), 0, largest).astype(a.dtype, copy=False)  # inf - inf would be NaN
        else:
            largest = array_module(a).zeros(kept_shape(a.shape, dims), a.dtype)
        total = np.log(sum_array(np.exp(a - largest), dims, True)) + largest
        result = from_array(total if keepdim else total.squeeze(dims))
        ctx.dims, ctx.largest = dims, largest
        ctx.save_for_backward(x)
        return result

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (x,) = ctx.saved_tensors
        # The softmax of x; as exp(x - result) it would have the rounding of a large result.
        exponentials = (x - from_array(ctx.largest)).exp()
        weights = exponentials / exponentials.sum(ctx.dims, keepdim=True)
        return grad_output.reshape(kept_shape(x.shape, ctx.dims)) * weights, None, None


@in_float32
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """Compute ``log(sum(exp(x)))`` without overflow; over no elements it is -inf.

    Args:
        input: a tensor.
        dim: the dimension or dimensions.
        keepdim: keep the reduced dimensions with size 1.

    Raises:
        TypeError: `dim` is None.
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> mg.logsumexp(mg.tensor([1000.0, 1000.0]), 0)  # 1000 + log 2
        tensor(1000.6932)
    """
    input = floating("logsumexp", input)
    if dim is None:
        raise TypeError("logsumexp: argument 'dim' must be int or a tuple of ints, not NoneType")
    return LogSumExp.apply(input, dimensions("logsumexp", dim, input.ndim), keepdim)


class Root(Function):
    """x^(1/p), the derivative being 0 where the root is: a norm has no slope there"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, p: float) -> Tensor:
        root = from_array(np.sqrt(x.array) if p == 2 else x.array ** (1 / p))
        ctx.p = p
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (root,) = ctx.saved_tensors
        return (grad_output / (root ** (ctx.p - 1) * ctx.p)).masked_fill(root == 0, 0), None
