"""What values there are, how often, and where a value has its place: without gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.autograd.observer import observed, observers
from minigrad.device import array_module
from minigrad.ops.arguments import check_number, check_same_device, check_tensor, dimension, expect_none
from minigrad.tensor import Tensor, from_array

__all__ = ["bincount", "bucketize", "searchsorted", "unique"]


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Find the different values of a tensor, or its different slices along a dimension, in rising order.

    Args:
        input: a tensor.
        sorted: accepted for PyTorch's sake; the result is always sorted.
        return_inverse: also return where each element is among the different ones.
        return_counts: also return how often each occurs.
        dim: the dimension; None for the elements.

    Returns:
        The values, or a tuple of them and what else was asked for.

    Raises:
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.unique(mg.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    array = check_tensor("unique", "input", input).array
    axis = None if dim is None else dimension("unique", dim, input.ndim)
    if array.ndim == 0:
        array, axis = array.reshape(1), None
    xp = array_module(array)
    # NaN is different from itself.
    equal = {} if axis is not None else {"equal_nan": False}
    values, inverse, counts = xp.unique(array, return_inverse=True, return_counts=True, axis=axis, **equal)
    inverse = inverse.reshape(input.shape if dim is None else -1)
    wanted = [values, *[inverse] * return_inverse, *[counts] * return_counts]
    results = tuple([from_array(array) for array in wanted])
    result = results if len(results) > 1 else results[0]
    return observed("unique", (input, dim), result) if observers else result


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Count how often each of the numbers 0, 1, 2, ... occurs in a vector.

    Args:
        input: a vector of integers, none below 0.
        weights: a vector of as many numbers, which are added up in place of ones.
        minlength: the length of the result at least.

    Raises:
        RuntimeError: the input is not a vector of integers from 0 on, the weights' length differs, `minlength` is
            negative, or the devices differ.

    Examples:
        >>> mg.bincount(mg.tensor([1, 3, 1]))
        tensor([0, 2, 0, 1])
    """
    array = check_tensor("bincount", "input", input).array
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise RuntimeError(f"bincount: expected a vector of integers, got {input.dtype} of shape {list(input.shape)}")
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength should be at least 0, got {minlength}")
    expect_none(array < 0, "bincount: expected a vector of integers from 0 on, got a negative one")
    if weights is None:
        result = from_array(array_module(array).bincount(array, minlength=minlength).astype(np.int64))
    else:
        check_same_device("bincount", input, check_tensor("bincount", "weights", weights))
        if weights.shape != input.shape:
            raise RuntimeError(
                f"bincount: weights should have the input's shape {list(input.shape)}, got {list(weights.shape)}"
            )
        dtype = np.float32 if weights.dtype == np.float32 else np.float64
        result = from_array(array_module(array).bincount(array, weights.array, minlength).astype(dtype))
    return observed("bincount", (input, weights), result) if observers else result


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Find where each value would have to be inserted into a sorted sequence to keep it sorted.

    Args:
        sorted_sequence: a vector in rising order, or rows of them along the last dimension.
        input: the values: a number, or a tensor; for rows, with the same dimensions but for the last.
        out_int32: return int32 in place of int64.
        right: insert behind equal elements.
        side: "left", or "right" for `right`.
        sorter: the positions that sort the sequence, if it is not sorted.

    Raises:
        RuntimeError: the dimensions do not fit, `side` is another one, or the devices differ.

    Examples:
        >>> mg.searchsorted(mg.tensor([1, 3, 5]), mg.tensor([0, 3, 6]))
        tensor([0, 1, 3])
    """
    if sorter is not None:
        sorted_sequence = sorted_sequence.take_along_dim(check_tensor("searchsorted", "sorter", sorter), -1)
    return _search("searchsorted", sorted_sequence, input, out_int32, right, side)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Find the bucket of each value: how many of the sorted boundaries lie before it.

    Args:
        input: a number or a tensor.
        boundaries: a vector in rising order.
        out_int32: return int32 in place of int64.
        right: a value at a boundary lies behind it.

    Raises:
        RuntimeError: the boundaries are no vector, or the devices differ.

    Examples:
        >>> mg.bucketize(mg.tensor([0, 3, 6]), mg.tensor([1, 3, 5]))
        tensor([0, 1, 3])
    """
    if check_tensor("bucketize", "boundaries", boundaries).ndim != 1:
        raise RuntimeError(f"bucketize: boundaries must be a vector, got shape {list(boundaries.shape)}")
    return _search("bucketize", boundaries, input, out_int32, right, None)


def _search(operation: str, sequence: Tensor, input: Any, out_int32: bool, right: bool, side: str | None) -> Tensor:
    check_tensor(operation, "sorted_sequence", sequence)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(f"{operation}: side must be 'left' or 'right', as `right` says, got {side!r} and {right}")
    edges = sequence.array
    if not isinstance(input, Tensor):
        values = array_module(edges).asarray(check_number(operation, "input", input))
    else:
        check_same_device(operation, sequence, input)
        values = input.array
    if edges.ndim == 0 or edges.ndim > 1 and values.shape[:-1] != edges.shape[:-1]:
        raise RuntimeError(
            f"{operation}: expected a vector, or rows that fit the values, got shapes {list(edges.shape)} and "
            f"{list(values.shape)}"
        )
    xp, where = array_module(edges), "right" if right or side == "right" else "left"
    if edges.ndim == 1:
        places = xp.searchsorted(edges, values, where)
    else:
        count = math.prod(edges.shape[:-1])
        rows = zip(edges.reshape(count, edges.shape[-1]), values.reshape(count, values.shape[-1]), strict=True)
        found = [xp.searchsorted(row, wanted, where) for row, wanted in rows]
        places = xp.stack(found).reshape(values.shape) if found else xp.zeros(values.shape, np.int64)
    result = from_array(xp.asarray(places).astype(np.int32 if out_int32 else np.int64))
    return observed(operation, (sequence, input, right), result) if observers else result
