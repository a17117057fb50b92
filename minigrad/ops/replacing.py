"""Copies of a tensor in which parts are replaced, by positions or by a mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.device import array_module
from minigrad.ops.arguments import broadcast_shapes, check_same_device, check_tensor, number
from minigrad.ops.expand import expand
from minigrad.ops.gathering import _check_dtypes, _corner, _grid, _rows, scatter_add
from minigrad.ops.indexing import setitem
from minigrad.ops.joining import cat
from minigrad.tensor import Tensor, from_array

__all__ = ["index_copy", "index_fill", "masked_scatter", "scatter_reduce"]

# What changes nothing, of a floating-point and of an integer type.
NEUTRAL: dict[str, Callable[[Any], Any]] = {
    "prod": lambda dtype: 1,
    "amax": lambda dtype: -np.inf if dtype.kind == "f" else np.iinfo(dtype).min,
    "amin": lambda dtype: np.inf if dtype.kind == "f" else np.iinfo(dtype).max,
}


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Copy `input` and reduce into the copy what `src` has for each position along a dimension.

    Args:
        input: a tensor.
        dim: the dimension that `index` counts in.
        index: integer positions, of `input`'s number of dimensions.
        src: a tensor of `input`'s dtype, at least as large as `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether what stands in `input` takes part where something is written.

    Raises:
        IndexError: a position or `dim` is out of range.
        RuntimeError: dtypes, shapes or devices do not fit, or `reduce` is another one.

    Examples:
        >>> mg.scatter_reduce(mg.zeros(2), 0, mg.tensor([0, 0, 1]), mg.tensor([1.0, 5.0, 3.0]), "amax")
        tensor([5., 3.])
    """
    if reduce not in ("sum", "mean", *NEUTRAL):
        raise RuntimeError(f"scatter_reduce: reduce must be sum, prod, mean, amax or amin, got {reduce!r}")
    grid = _grid("scatter_reduce", input, dim, index, check_tensor("scatter_reduce", "src", src))
    _check_dtypes("scatter_reduce", input, src)
    if not index.numel():
        return input.clone()
    ones = from_array(array_module(index.array).ones(index.shape, np.int64))
    counts = scatter_add(from_array(array_module(index.array).zeros(input.shape, np.int64)), dim, index, ones)
    written = counts > 0
    if input.dtype == bool and reduce in ("amax", "amin"):
        return scatter_reduce(input.byte(), dim, index, src.byte(), reduce, include_self=include_self).bool()
    if reduce in ("sum", "mean"):
        start = input if include_self else input.masked_fill(written, 0)
        result = scatter_add(start, dim, index, src)
        if reduce == "sum":
            return result
        parts = (counts + int(include_self)).clamp(min=1)
        if input.dtype.kind == "f":
            return result / parts.to(input.dtype)
        return result.div(parts, rounding_mode="floor").to(input.dtype)
    # What meets at a position is laid in layers, one above the other, which are then reduced.
    neutral = NEUTRAL[reduce](input.dtype)
    shape = input.shape or (1,)
    layer, depth = _layers(grid, shape)
    below = (input if include_self else input.masked_fill(written, neutral)).reshape(1, *shape)
    above = from_array(array_module(input.array).full((depth, *shape), neutral, input.dtype))
    setitem(above, (from_array(layer), *[from_array(part) for part in grid]), _corner(src, index).reshape(layer.shape))
    layers = cat([below, above], 0)
    reduced = layers.prod(0) if reduce == "prod" else layers.amax(0) if reduce == "amax" else layers.amin(0)
    return reduced.reshape(input.shape).to(input.dtype)


def _layers(grid: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, int]:
    """For each element how many before it have the same position, and how many layers that makes."""
    xp = array_module(grid[0])
    positions = xp.zeros((1,) * len(shape), np.int64)
    for part, size in zip(grid, shape, strict=True):
        positions = positions * size + part
    flat = positions.reshape(-1)
    order = xp.argsort(flat, kind="stable")
    ordered = flat[order]
    layer = xp.empty_like(flat)
    layer[order] = xp.arange(flat.size) - xp.searchsorted(ordered, ordered)
    return layer.reshape(positions.shape), int(layer.max()) + 1


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Copy `input` and write slices of `source` into the copy, at positions along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: a vector of integer positions.
        source: slices to be written, of `input`'s shape but for `dim`, where it has the length of `index`.

    Raises:
        IndexError: a position or `dim` is out of range, or `index` is not a vector.
        RuntimeError: dtypes, shapes or devices do not fit.

    Examples:
        >>> mg.index_copy(mg.zeros(3), 0, mg.tensor([2, 0]), mg.tensor([1.0, 5.0]))
        tensor([5., 0., 1.])
    """
    rows = _rows("index_copy", input, dim, index)
    _check_dtypes("index_copy", input, check_tensor("index_copy", "source", source))
    check_same_device("index_copy", input, source)
    shape = input.shape or (1,)
    expected = (*shape[: len(rows) - 1], rows[-1].size, *shape[len(rows) :])
    if (source.shape or (1,)) != expected:
        raise RuntimeError(f"index_copy: expected source of shape {list(expected)}, got {list(source.shape)}")
    result = input.clone().reshape(shape)
    setitem(result, (*rows[:-1], from_array(rows[-1])), source.reshape(expected))
    return result.reshape(input.shape)


def index_fill(input: Tensor, dim: int, index: Tensor, value: float | Tensor) -> Tensor:
    """Copy `input` and write one number into the copy, at positions along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: a vector of integer positions.
        value: a number, or a tensor of one without dimensions.

    Raises:
        IndexError: a position or `dim` is out of range, or `index` is not a vector.
        RuntimeError: `value` has dimensions, or the dtype cannot hold it.

    Examples:
        >>> mg.index_fill(mg.zeros(3), 0, mg.tensor([2, 0]), 7)
        tensor([7., 0., 7.])
    """
    rows = _rows("index_fill", input, dim, index)
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"index_fill: only supports a 0-dimensional value tensor, got a tensor of shape {list(value.shape)}"
        )
    result = input.clone().reshape(input.shape or (1,))
    filling = value if isinstance(value, Tensor) else number("index_fill", value, input.dtype)
    setitem(result, (*rows[:-1], from_array(rows[-1])), filling)
    return result.reshape(input.shape)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Copy `input` and write the elements of `source`, in order, where a mask is true.

    Args:
        input: a tensor.
        mask: booleans that broadcast with `input`.
        source: a tensor of `input`'s dtype with at least as many elements as the mask has true ones.

    Raises:
        RuntimeError: the mask is not boolean, dtypes or devices differ, the shapes do not broadcast, or there are too
            few elements.

    Examples:
        >>> mg.masked_scatter(mg.zeros(3), mg.tensor([True, False, True]), mg.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    check_tensor("masked_scatter", "input", input)
    check_tensor("masked_scatter", "source", source)
    if check_tensor("masked_scatter", "mask", mask).dtype != bool:
        raise RuntimeError(f"masked_scatter: expected a mask of booleans, got {mask.dtype}")
    _check_dtypes("masked_scatter", input, source)
    check_same_device("masked_scatter", input, mask, source)
    shape = broadcast_shapes("masked_scatter", input.shape, mask.shape)
    whole = expand(mask, shape)
    count = int(whole.sum())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: expected source to have at least {count} elements, got {source.numel()}")
    result = expand(input, shape).clone()
    setitem(result, whole, source.reshape(-1)[:count])
    return result
