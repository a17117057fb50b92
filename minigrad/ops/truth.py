"""Whether any or all elements are true, and how many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.autograd.observer import observed, observers
from minigrad.ops.arguments import check_tensor, dimensions
from minigrad.ops.comparison import ne
from minigrad.ops.reduction import Dims, sum
from minigrad.tensor import Tensor, from_array

__all__ = ["all", "any", "count_nonzero"]


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Tell whether at least one element is nonzero, over some or all dimensions.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; None means all.
        keepdim: keep the reduced dimensions with size 1.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> mg.any(mg.tensor([[0, 1], [0, 0]]), dim=1)
        tensor([ True, False])
    """
    return _truth("any", input, dim, keepdim)


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Tell whether every element is nonzero, over some or all dimensions; over none it is True.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; None means all.
        keepdim: keep the reduced dimensions with size 1.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> mg.all(mg.tensor([[1, 1], [0, 1]]), dim=1)
        tensor([ True, False])
    """
    return _truth("all", input, dim, keepdim)


def _truth(operation: str, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    check_tensor(operation, "input", input)
    if isinstance(dim, Sequence) and len(dim) == 0:
        dims: tuple[int, ...] = ()  # here an empty list means no dimension, in PyTorch too
    else:
        dims = dimensions(operation, dim, input.ndim)
    truth = getattr(input.array != 0, operation)(dims, keepdims=keepdim)
    result = from_array(truth.astype(input.dtype) if input.dtype == np.uint8 else truth)
    return observed(operation, (input, dims, keepdim), result) if observers else result


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Count the elements that are not 0, over some or all dimensions.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; None means all.

    Examples:
        >>> mg.count_nonzero(mg.tensor([[0, 1], [2, 3]]), dim=0)
        tensor([1, 2])
    """
    return sum(ne(check_tensor("count_nonzero", "input", input), 0), dim)
