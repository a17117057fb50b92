"""Reading, writing and adding at positions that a tensor gives along one dimension.

`_grid` computes the position of every element in every dimension; the rest is `Index` and its adjoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.autograd.inplace import write
from minigrad.autograd.observer import observed, observers
from minigrad.device import array_module
from minigrad.ops.arguments import broadcast_shapes, check_positions, check_same_device, check_tensor, dimension, number
from minigrad.ops.indexing import EVERYTHING, Index, IndexAdjoint, Slice, setitem, split_index
from minigrad.tensor import Tensor, from_array

__all__ = [
    "gather",
    "index_add",
    "index_put",
    "index_select",
    "nonzero",
    "scatter",
    "scatter_add",
    "take_along_dim",
]


def _grid(operation: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None = None) -> tuple[Any, ...]:
    """Index arrays that name, for each element of `index`, its own position except along `dim`.

    With `src` the positions are to be written; raises if `index` is larger than `input` (but for `dim`) or
    `src`.
    """
    check_tensor(operation, "input", input)
    check_tensor(operation, "index", index)
    if index.dtype not in (np.int64, np.int32) and index.numel():
        raise RuntimeError(f"{operation}: expected dtype int32 or int64 for index, got {index.dtype}")
    shape = input.shape or (1,)
    dim = dimension(operation, dim, input.ndim)
    positions = index.array.reshape(index.shape or (1,))
    for name, tensor in (("index", index), ("src", src)):
        if tensor is not None and max(tensor.ndim, 1) != len(shape) and index.numel():
            raise RuntimeError(
                f"{operation}: {name} must have the same number of dimensions as input, got shapes "
                f"{list(tensor.shape)} and {list(input.shape)}"
            )
    for d, size in enumerate(positions.shape if index.numel() else ()):
        if (d != dim and size > shape[d]) or (src is not None and size > (src.shape or (1,))[d]):
            limit = "" if src is None else f" and no larger than src {list(src.shape)}"
            raise RuntimeError(
                f"{operation}: expected index {list(index.shape)} to be no larger than input "
                f"{list(input.shape)} apart from dimension {dim}{limit}"
            )
    check_same_device(operation, *[tensor for tensor in (input, index, src) if tensor is not None])
    check_positions(f"{operation}: ", positions, dim, 0, shape[dim])
    xp = array_module(positions)
    if not index.numel():
        return tuple([xp.zeros(positions.shape, np.int64)] * len(shape))
    grid = [
        xp.arange(size).reshape([-1 if d == axis else 1 for d in range(len(shape))])
        for axis, size in enumerate(positions.shape)
    ]
    # A private copy: the caller may write into `index` before backward.
    grid[dim] = positions.astype(np.int64)
    return tuple(grid)


def _corner(src: Tensor, index: Tensor) -> Tensor:
    """The part of `src` that `index` has positions for."""
    return Slice.apply(src, tuple([slice(size) for size in index.shape]))


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Pick elements along a dimension: ``result[i, j] = input[index[i, j], j]`` for dim = 0.

    Args:
        input: a tensor.
        dim: the dimension that `index` counts in.
        index: integer positions, of `input`'s number of dimensions; it gives the result's shape.

    Raises:
        IndexError: a position or `dim` is out of range.
        RuntimeError: the dtype or shape of `index` does not fit, or the devices differ.

    Examples:
        Pick the probability of each row's class.

        >>> probabilities = mg.tensor([[0.1, 0.9], [0.6, 0.4]])
        >>> mg.gather(probabilities, 1, mg.tensor([[1], [0]]))
        tensor([[0.9000],
                [0.6000]])
    """
    return _read(input, dim, index, distinct=False)


def pick(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """As `gather`, for an index that names no position twice along `dim`."""
    return _read(input, dim, index, distinct=True)


def _read(input: Tensor, dim: int, index: Tensor, distinct: bool) -> Tensor:
    grid = _grid("gather", input, dim, index)
    if input.ndim == 0:
        return input.expand(index.shape)
    # Where each element has one position along `dim`, they differ in the others.
    result = Index.apply(input, grid, distinct or grid[dim].shape[dim] == 1).reshape(index.shape)
    return observed("gather", (input, dim, index), result) if observers else result


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Copy `input` and write into the copy: ``result[index[i, j], j] = src[i, j]`` for dim = 0.

    Which value stays at a position that is named twice is not defined.

    Args:
        input: a tensor.
        dim: the dimension that `index` counts in.
        index: integer positions, of `input`'s number of dimensions.
        src: a number, or a tensor of `input`'s dtype that is at least as large as `index`.
        value: a number, in place of `src`.
        reduce: None, or "add" to add instead of writing, as `scatter_add`.

    Raises:
        IndexError: a position or `dim` is out of range.
        RuntimeError: dtypes, shapes or devices do not fit, or `reduce` is another one.
        TypeError: neither or both of `src` and `value` are given.

    Examples:
        >>> mg.scatter(mg.zeros(2, 3), 1, mg.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = number("scatter", src, check_tensor("scatter", "input", input).dtype).to(input.device).expand(index.shape)
    if reduce not in (None, "add"):
        raise RuntimeError(f"scatter: reduce must be None or 'add', got {reduce!r}")
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    grid = _grid("scatter", input, dim, index, src)
    _check_dtypes("scatter", input, src)
    result = input.clone()
    if index.numel():
        write(result, _corner(src, index), grid if input.ndim else Ellipsis)
    return result


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Copy `input` and add into the copy: ``result[index[i, j], j] += src[i, j]`` for dim = 0.

    Args:
        input: a tensor.
        dim: the dimension that `index` counts in.
        index: integer positions, of `input`'s number of dimensions; repeated positions add up.
        src: a tensor of `input`'s dtype, at least as large as `index`.

    Raises:
        IndexError: a position or `dim` is out of range.
        RuntimeError: dtypes, shapes or devices do not fit.

    Examples:
        >>> mg.scatter_add(mg.zeros(3), 0, mg.tensor([0, 0, 2]), mg.tensor([1.0, 2.0, 3.0]))
        tensor([3., 0., 3.])
    """
    grid = _grid("scatter_add", input, dim, index, check_tensor("scatter_add", "src", src))
    _check_dtypes("scatter_add", input, src)
    if not index.numel():
        return input.clone()
    values = _corner(src, index).reshape(index.shape or (1,))
    return input + IndexAdjoint.apply(values, input.shape or (1,), grid).reshape(input.shape)


def _check_dtypes(operation: str, input: Tensor, src: Tensor) -> None:
    if input.dtype != src.dtype:
        raise RuntimeError(f"{operation}: expected src to have the dtype of input, {input.dtype}, got {src.dtype}")


def _rows(operation: str, input: Tensor, dim: int, index: Tensor) -> tuple[Any, ...]:
    """The index that takes the positions `index`, a vector, along `dim`."""
    check_tensor(operation, "input", input)
    check_tensor(operation, "index", index)
    if index.ndim > 1:
        raise IndexError(f"{operation}: index is supposed to be a vector, got shape {list(index.shape)}")
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{operation}: expected dtype int32 or int64 for index, got {index.dtype}")
    dim = dimension(operation, dim, input.ndim)
    check_same_device(operation, input, index)
    positions = index.array.reshape(-1).astype(np.int64)
    check_positions(f"{operation}: ", positions, dim, 0, (input.shape or (1,))[dim])
    return (*[EVERYTHING] * dim, positions)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Copy the slices of a tensor along a dimension at the given positions.

    Args:
        input: a tensor.
        dim: the dimension.
        index: a vector of integer positions; repeats are allowed.

    Raises:
        IndexError: a position or `dim` is out of range, or `index` is not a vector.
        RuntimeError: the dtype of `index` is not int32 or int64, or the devices differ.

    Examples:
        >>> mg.index_select(mg.tensor([[1, 2], [3, 4]]), 1, mg.tensor([1, 1, 0]))
        tensor([[2, 2, 1],
                [4, 4, 3]])
    """
    rows = _rows("index_select", input, dim, index)
    if input.ndim == 0:
        return input.clone()
    return Index.apply(input, rows)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """Copy `input` and add slices of `source` into the copy, at positions along a dimension.

    Args:
        input: a tensor.
        dim: the dimension.
        index: a vector of integer positions; repeated positions add up.
        source: slices to be added, of `input`'s shape but for `dim`, where it has the length of `index`.
        alpha: a factor for `source`.

    Raises:
        IndexError: a position or `dim` is out of range, or `index` is not a vector.
        RuntimeError: dtypes, shapes or devices do not fit.

    Examples:
        >>> mg.index_add(mg.zeros(3), 0, mg.tensor([2, 2]), mg.tensor([1.0, 5.0]))
        tensor([0., 0., 6.])
    """
    rows = _rows("index_add", input, dim, index)
    _check_dtypes("index_add", input, check_tensor("index_add", "source", source))
    check_same_device("index_add", input, source)
    shape = input.shape or (1,)
    count = rows[-1].size
    expected = (*shape[: len(rows) - 1], count, *shape[len(rows) :])
    if (source.shape or (1,)) != expected:
        raise RuntimeError(f"index_add: expected source of shape {list(expected)}, got {list(source.shape)}")
    scaled = source if alpha == 1 else source * alpha
    added = IndexAdjoint.apply(scaled.reshape(expected), shape, rows)
    return input + added.reshape(input.shape)


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """Copy `input` and write into the copy: ``result[indices] = values``.

    Args:
        input: a tensor.
        indices: a sequence of index tensors, one per dimension from the first on.
        values: a tensor that broadcasts to what is replaced.
        accumulate: add instead of writing; repeated positions then add up.

    Raises:
        IndexError: a position is out of range.
        RuntimeError: shapes, dtypes or devices do not fit.

    Examples:
        >>> at = (mg.tensor([0, 0]),)
        >>> mg.index_put(mg.zeros(2), at, mg.tensor([1.0, 2.0]), accumulate=True)
        tensor([3., 0.])
    """
    check_tensor("index_put", "input", input)
    _check_dtypes("index_put", input, check_tensor("index_put", "values", values))
    check_same_device("index_put", input, values)
    if not accumulate:
        result = input.clone()
        setitem(result, tuple(indices), values)
        return result
    basic, advanced = split_index(input, tuple(indices))
    viewed = Slice.apply(input, basic)
    added = IndexAdjoint.apply(values.expand(Index.apply(viewed.detach(), advanced).shape), viewed.shape, advanced)
    return input + added.reshape(input.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Pick elements along a dimension as `gather` does, with the other dimensions broadcast.

    Args:
        input: a tensor.
        indices: integer positions, as `argsort` and `argmax` with `keepdim` return; negative ones count from the end.
        dim: the dimension; None flattens both tensors first.

    Raises:
        IndexError: a position or `dim` is out of range.
        RuntimeError: shapes, dtypes or devices do not fit.

    Examples:
        >>> x = mg.tensor([[3, 1, 2], [9, 7, 8]])
        >>> mg.take_along_dim(x, x.argsort(dim=1), dim=1)
        tensor([[1, 2, 3],
                [7, 8, 9]])
    """
    check_tensor("take_along_dim", "input", input)
    check_tensor("take_along_dim", "indices", indices)
    if indices.dtype.kind not in "iu":
        raise RuntimeError(f"take_along_dim: expected dtype int32 or int64 for indices, got {indices.dtype}")
    if dim is None:
        return gather(input.ravel(), 0, indices.ravel())
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim: input and indices should have the same number of dimensions, but got "
            f"{input.ndim} and {indices.ndim}"
        )
    dim = dimension("take_along_dim", dim, input.ndim)
    if input.ndim == 0:
        return gather(input, dim, indices)
    shapes = [(*t.shape[:dim], 1, *t.shape[dim + 1 :]) for t in (input, indices)]
    shape = broadcast_shapes("take_along_dim", *shapes)
    input, indices = [t.expand(*shape[:dim], t.shape[dim], *shape[dim + 1 :]) for t in (input, indices)]
    check_same_device("take_along_dim", input, indices)
    positions = indices.array.astype(np.int64, copy=False)
    return gather(input, dim, from_array(np.where(positions < 0, positions + input.shape[dim], positions)))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """Find the positions of the elements that are not 0.

    Args:
        input: a tensor.
        as_tuple: return an index vector for each dimension, which can index a tensor, instead of a matrix with a row
            for each position.

    Examples:
        >>> mg.nonzero(mg.tensor([[0, 5], [6, 0]]))
        tensor([[0, 1],
                [1, 0]])
        >>> mg.nonzero(mg.tensor([0, 5, 6]), as_tuple=True)
        (tensor([1, 2]),)
    """
    check_tensor("nonzero", "input", input)
    result: Any
    if as_tuple:
        result = tuple([from_array(positions) for positions in np.atleast_1d(input.array).nonzero()])
    else:
        result = from_array(np.argwhere(input.array))
    return observed("nonzero", (input, as_tuple), result) if observers else result
