"""Choosing by size: the largest and the smallest, sorting, the top k.

What chooses along one dimension finds indices first; its values are what `gather` takes there, and so the
gradient goes to the chosen elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigrad.autograd import Function
from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor, dimension, dimensions
from minigrad.ops.elementwise import maximum, minimum
from minigrad.ops.gathering import pick
from minigrad.ops.reduction import Dims, kept_shape
from minigrad.tensor import Tensor, from_array

__all__ = ["amax", "amin", "argmax", "argmin", "argsort", "max", "min", "sort", "topk"]


class ValuesIndices(NamedTuple):
    """What was selected along a dimension, and where it stood."""

    values: Tensor
    indices: Tensor


class Extreme(Function):
    """The largest (or smallest) element over `dims`; equal ones share the gradient evenly, as in PyTorch"""

    @staticmethod
    def forward(ctx, x, dims, keepdim, largest):
        result = from_array((x.array.max if largest else x.array.min)(dims, keepdims=keepdim))
        ctx.dims = dims
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        x, result = ctx.saved_tensors
        a, extreme = x.array, result.array.reshape(kept_shape(x.shape, ctx.dims))
        chosen = (a == extreme) | ((a != a) & (extreme != extreme))
        share = chosen / chosen.sum(ctx.dims, keepdims=True)
        return grad_output.reshape(extreme.shape) * from_array(share.astype(a.dtype)), None, None, None


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
    """The largest element over `dim` (default: all), NaN if there is one; ties share the gradient."""
    return _extreme("amax", input, dim, keepdim, True)


def amin(input: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The smallest element over `dim` (default: all), NaN if there is one; ties share the gradient."""
    return _extreme("amin", input, dim, keepdim, False)


def _extreme(operation: str, input: Tensor, dim: Dims, keepdim: bool, largest: bool) -> Tensor:
    check_tensor(operation, "input", input)
    dims = dimensions(operation, dim, input.ndim)
    everything = dim is None or (isinstance(dim, Sequence) and not dim)
    _not_empty(operation, input, None if everything else dim, dims)
    return Extreme.apply(input, dims, keepdim, largest)


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False):
    """The largest element; with `dim` the largest along it and their indices; of two tensors, `maximum`.

    Of equal elements along `dim` the first is taken, and it gets the gradient.
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    if dim is None:
        return _extreme("max", input, None, False, True)
    return _select("max", argmax, input, dim, keepdim)


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False):
    """The smallest element; with `dim` the smallest along it and their indices; of two tensors, `minimum`.

    Of equal elements along `dim` the first is taken, and it gets the gradient.
    """
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    if dim is None:
        return _extreme("min", input, None, False, False)
    return _select("min", argmin, input, dim, keepdim)


def _select(operation: str, choose, input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
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
    """The index of the largest element along `dim` (None: of all, flattened); the first of equal ones."""
    return _arg("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element along `dim` (None: of all, flattened); the first of equal ones."""
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
    return from_array(getattr(input.array, operation)(dim if input.ndim else None, keepdims=keepdim))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort `input` along `dim`; NaN counts as the largest.

    Equal elements always stay in their order; `stable` is taken because PyTorch takes it.
    """
    check_tensor("argsort", "input", input)
    dim = dimension("argsort", dim, input.ndim)
    if input.ndim == 0:
        return from_array(array_module(input.array).zeros((), np.int64))
    array = input.array
    if not descending:
        return from_array(array.argsort(dim, kind="stable"))
    # Sorted backwards and read backwards, so that equal elements keep their order.
    xp = array_module(array)
    backwards = xp.flip(xp.flip(array, dim).argsort(dim, kind="stable"), dim)
    return from_array(array.shape[dim] - 1 - backwards)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """The elements in the order of `argsort` along `dim`, and their indices."""
    check_tensor("sort", "input", input)
    dim = dimension("sort", dim, input.ndim)
    indices = argsort(input, dim, descending)
    return ValuesIndices(pick(input, dim, indices), indices)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The `k` largest (or smallest) elements along `dim`, and their indices.

    They always come in order; `sorted` is taken because PyTorch takes it.
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
