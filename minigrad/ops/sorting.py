"""Maxima, minima and sorting.

What chooses along one dimension first finds indices; its values are what `gather` reads there, so the gradient goes to
the chosen elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.observer import observed, observers
from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor, dimension, dimensions
from minigrad.ops.choice import maximum, minimum, where
from minigrad.ops.gathering import pick
from minigrad.ops.reduction import Dims, kept_shape
from minigrad.tensor import Tensor, from_array

__all__ = ["amax", "amin", "argmax", "argmin", "argsort", "kthvalue", "max", "median", "min", "sort", "topk"]


class ValuesIndices(NamedTuple):
    """What was selected along a dimension, and where it stood."""

    values: Tensor
    indices: Tensor


class Extreme(Function):
    """The largest (or smallest) element over `dims`; equal ones share the gradient evenly, as in PyTorch"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...], keepdim: bool, largest: bool) -> Tensor:
        result = from_array((x.array.max if largest else x.array.min)(dims, keepdims=keepdim))
        ctx.dims = dims
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, result = ctx.saved_tensors
        return _shared(grad_output, x, result, ctx.dims), None, None, None


def _shared(gradient: Tensor, x: Tensor, result: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The gradient of `result`, shared evenly by the elements of `x` over `dims` that are equal to it."""
    a, extreme = x.array, result.array.reshape(kept_shape(x.shape, dims))
    chosen = (a == extreme) | ((a != a) & (extreme != extreme))
    share = chosen / chosen.sum(dims, keepdims=True)
    return gradient.reshape(extreme.shape) * from_array(share.astype(a.dtype))


def _not_empty(operation: str, input: Tensor, dim: Dims, dims: tuple[int, ...]) -> None:
    """RuntimeError (of all elements) or IndexError (along `dim`) if there is nothing to choose from."""
    if input.numel() == 0 and dim is None:
        raise RuntimeError(
            f"{operation}: expected reduction dim to be specified for an input of no elements (shape "
            f"{list(input.shape)}); specify it with the 'dim' argument"
        )
    for d in dims:
        if input.shape[d] == 0:
            raise IndexError(
                f"{operation}: expected dimension {d} to have non-zero size, got shape {list(input.shape)}"
            )


def amax(input: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """Take the largest element over some or all dimensions, NaN if there is one; ties share the gradient.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; () means all.
        keepdim: keep the reduced dimensions with size 1.

    Raises:
        IndexError: there is no such dimension, or it is empty.
        RuntimeError: the tensor is empty, or a dimension is named twice.

    Examples:
        >>> mg.amax(mg.tensor([[1, 5], [7, 2]]), dim=1)
        tensor([5, 7])
    """
    return _extreme("amax", input, dim, keepdim, True)


def amin(input: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """Take the smallest element over some or all dimensions, NaN if there is one; ties share the gradient.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; () means all.
        keepdim: keep the reduced dimensions with size 1.

    Raises:
        IndexError: there is no such dimension, or it is empty.
        RuntimeError: the tensor is empty, or a dimension is named twice.

    Examples:
        >>> mg.amin(mg.tensor([[1, 5], [7, 2]]), dim=0)
        tensor([1, 2])
    """
    return _extreme("amin", input, dim, keepdim, False)


def _extreme(operation: str, input: Tensor, dim: Dims, keepdim: bool, largest: bool) -> Tensor:
    check_tensor(operation, "input", input)
    dims = dimensions(operation, dim, input.ndim)
    everything = dim is None or (isinstance(dim, Sequence) and not dim)
    _not_empty(operation, input, None if everything else dim, dims)
    return Extreme.apply(input, dims, keepdim, largest)


@overload
def max(input: Tensor, dim: Tensor | None = None) -> Tensor: ...
@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Take the largest element of all, or along a dimension together with its position.

    Of equal elements along `dim` the first is taken, and it gets the gradient.

    Args:
        input: a tensor.
        dim: the dimension; None means all elements, and a tensor makes it `maximum`.
        keepdim: keep the reduced dimension with size 1.

    Returns:
        The largest element; with `dim` a named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`, or it is empty.
        RuntimeError: the tensor is empty.

    Examples:
        >>> x = mg.tensor([[1, 5], [7, 2]])
        >>> x.max()
        tensor(7)
        >>> values, indices = x.max(dim=1)
        >>> values, indices
        (tensor([5, 7]), tensor([1, 0]))
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    if dim is None:
        return _extreme("max", input, None, False, True)
    return _select("max", argmax, input, dim, keepdim)


@overload
def min(input: Tensor, dim: Tensor | None = None) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Take the smallest element of all, or along a dimension together with its position.

    Of equal elements along `dim` the first is taken, and it gets the gradient.

    Args:
        input: a tensor.
        dim: the dimension; None means all elements, and a tensor makes it `minimum`.
        keepdim: keep the reduced dimension with size 1.

    Returns:
        The smallest element; with `dim` a named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`, or it is empty.
        RuntimeError: the tensor is empty.

    Examples:
        >>> mg.tensor([[1, 5], [7, 2]]).min(dim=0).indices
        tensor([0, 1])
    """
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    if dim is None:
        return _extreme("min", input, None, False, False)
    return _select("min", argmin, input, dim, keepdim)


def _select(operation: str, choose: Callable[..., Any], input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    check_tensor(operation, "input", input)
    dim = dimension(operation, dim, input.ndim)
    _not_empty(operation, input, dim, (dim,) if input.ndim else ())
    # Booleans have an order too, but no argmax.
    indices = choose(input.to(np.uint8) if input.dtype == bool else input, dim, keepdim=True)
    values = pick(input, dim, indices)
    if keepdim:
        return ValuesIndices(values, indices)
    return ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Find the position of the largest element, the first of equal ones.

    Args:
        input: a tensor.
        dim: the dimension; None means the flattened tensor.
        keepdim: keep the reduced dimension with size 1.

    Raises:
        IndexError: there is no dimension `dim`, or it is empty.
        RuntimeError: the tensor is boolean.

    Examples:
        >>> logits = mg.tensor([[0.1, 2.0, 0.3], [5.0, 0.0, 0.0]])
        >>> logits.argmax(dim=1)
        tensor([1, 0])
    """
    return _arg("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Find the position of the smallest element, the first of equal ones.

    Args:
        input: a tensor.
        dim: the dimension; None means the flattened tensor.
        keepdim: keep the reduced dimension with size 1.

    Raises:
        IndexError: there is no dimension `dim`, or it is empty.
        RuntimeError: the tensor is boolean.

    Examples:
        >>> mg.argmin(mg.tensor([3, 1, 2]))
        tensor(1)
    """
    return _arg("argmin", input, dim, keepdim)


def _arg(operation: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    check_tensor(operation, "input", input)
    if input.dtype == bool:
        raise RuntimeError(f"{operation}: does not support bool input; convert it with .int()")
    if dim is not None:
        dim = dimension(operation, dim, input.ndim)
        _not_empty(operation, input, dim, (dim,) if input.ndim else ())
    elif input.numel() == 0:
        raise IndexError(
            f"{operation}: expected reduction dim to be specified for an input of shape {list(input.shape)}"
        )
    result = from_array(getattr(input.array, operation)(dim if input.ndim else None, keepdims=keepdim))
    return observed(operation, (input, dim, keepdim), result) if observers else result


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Find the order that sorts a tensor along a dimension; NaN counts as the largest.

    Args:
        input: a tensor.
        dim: the dimension.
        descending: the largest element first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.

    Raises:
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.argsort(mg.tensor([30, 10, 20]))
        tensor([1, 2, 0])
    """
    check_tensor("argsort", "input", input)
    dim = dimension("argsort", dim, input.ndim)
    if input.ndim == 0:
        return from_array(array_module(input.array).zeros((), np.int64))
    array = input.array
    if descending:
        # Sorted backwards and read backwards, so that equal elements keep their order.
        xp = array_module(array)
        order = array.shape[dim] - 1 - xp.flip(xp.flip(array, dim).argsort(dim, kind="stable"), dim)
    else:
        order = array.argsort(dim, kind="stable")
    result = from_array(order)
    return observed("argsort", (input, dim, descending), result) if observers else result


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """Sort a tensor along a dimension; NaN counts as the largest.

    Args:
        input: a tensor.
        dim: the dimension.
        descending: the largest element first.
        stable: accepted for PyTorch's sake; equal elements always keep their order.

    Returns:
        A named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.sort(mg.tensor([30, 10, 20]), descending=True).values
        tensor([30, 20, 10])
    """
    check_tensor("sort", "input", input)
    dim = dimension("sort", dim, input.ndim)
    indices = argsort(input, dim, descending)
    return ValuesIndices(pick(input, dim, indices), indices)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """Take the largest or smallest elements along a dimension, in order.

    Args:
        input: a tensor of numbers.
        k: how many.
        dim: the dimension.
        largest: False for the smallest.
        sorted: accepted for PyTorch's sake; the result is always sorted.

    Returns:
        A named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: `k` is larger than the dimension, or the tensor is boolean.

    Examples:
        >>> mg.topk(mg.tensor([4, 9, 1, 7]), 2)
        ValuesIndices(values=tensor([9, 7]), indices=tensor([1, 3]))
    """
    check_tensor("topk", "input", input)
    if input.dtype == bool:
        raise RuntimeError("topk: does not support bool input; convert it with .int()")
    dim = dimension("topk", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk: selected index k out of range: got k = {k} for dimension {dim} of size {size}")
    indices = argsort(input, dim, largest)
    if input.ndim:
        indices = indices.narrow(dim, 0, k)
    return ValuesIndices(pick(input, dim, indices), indices)


class Median(Function):
    """The middle element of a vector, the lower of two; NaN if there is one"""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        xp, a = array_module(x.array), x.array
        middle = xp.sort(a)[(a.size - 1) // 2]
        result = from_array(xp.where((a != a).any(), a.sum(), middle).astype(a.dtype))
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, result = ctx.saved_tensors
        return _shared(grad_output, x, result, (0,))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """Take the k-th smallest element along a dimension; NaN counts as the largest.

    Args:
        input: a tensor of numbers.
        k: which, counted from 1.
        dim: the dimension.
        keepdim: keep the dimension with size 1.

    Returns:
        A named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: `k` is not within the dimension.

    Examples:
        >>> mg.kthvalue(mg.tensor([4, 9, 1, 7]), 2)
        ValuesIndices(values=tensor(4), indices=tensor(0))
    """
    check_tensor("kthvalue", "input", input)
    dim = dimension("kthvalue", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue: selected number k out of range: got k = {k} for dimension {dim} of size {size}")
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    return _picked(input, dim, argsort(input, dim).narrow(dim, k - 1, 1), keepdim)


def _picked(input: Tensor, dim: int, indices: Tensor, keepdim: bool) -> ValuesIndices:
    """One element along `dim`, whose place `indices` tells."""
    values = pick(input, dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


@overload
def median(input: Tensor) -> Tensor: ...
@overload
def median(input: Tensor, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | ValuesIndices:
    """Take the middle element, the lower of two, of all or along a dimension; NaN if there is one.

    Equal elements share the gradient equally if no dimension is given.

    Args:
        input: a tensor of numbers.
        dim: the dimension; None for the median of all elements.
        keepdim: keep the dimension with size 1.

    Returns:
        The median, or with `dim` a named tuple (values, indices).

    Raises:
        IndexError: there is no dimension `dim`, or it has no elements.
        RuntimeError: there are no elements, or they are boolean.

    Examples:
        >>> mg.median(mg.tensor([4, 9, 1, 7]))
        tensor(4)
        >>> mg.median(mg.tensor([[4.0, 9.0, 1.0], [2.0, 2.0, 3.0]]), 1).values
        tensor([4., 2.])
    """
    check_tensor("median", "input", input)
    if input.dtype == bool:
        raise RuntimeError("median: does not support bool input; convert it with .int()")
    if dim is None:
        if not input.numel():
            raise RuntimeError(f"median: there is no median of no elements, got shape {list(input.shape)}")
        return Median.apply(input.reshape(-1))
    dim = dimension("median", dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), argsort(input))
    _not_empty("median", input, dim, (dim,))
    order, size = argsort(input, dim), input.shape[dim]
    numbers = (input == input).sum(dim, keepdim=True)
    # NaN is sorted behind the numbers.
    place = where(numbers < size, numbers, (size - 1) // 2)
    return _picked(input, dim, pick(order, dim, place), keepdim)
