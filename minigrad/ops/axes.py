"""Dimensions that are swapped, stacked, spanned and repeated: other operations under the names that PyTorch has."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.device import array_module, on_host
from minigrad.ops.arguments import check_tensor
from minigrad.ops.arguments import dimension as _dimension
from minigrad.ops.gathering import index_select
from minigrad.ops.joining import cat
from minigrad.ops.shape import movedim, transpose
from minigrad.tensor import Tensor, from_array

__all__ = [
    "dstack",
    "hstack",
    "meshgrid",
    "moveaxis",
    "repeat_interleave",
    "swapaxes",
    "swapdims",
    "vstack",
]

# NumPy's names, which PyTorch has too.
moveaxis, swapaxes, swapdims = movedim, transpose, transpose


def _at_least(operation: str, tensors: Any, ndim: int) -> list[Tensor]:
    """The tensors with the dimensions that NumPy's stacks give to those with fewer."""
    if not isinstance(tensors, Sequence):
        raise TypeError(f"{operation}: argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    result = []
    for i, tensor in enumerate(tensors):
        check_tensor(operation, f"tensors[{i}]", tensor)
        if tensor.ndim == 0:
            tensor = tensor.reshape(1)
        if tensor.ndim == 1 and ndim > 1:
            tensor = tensor.unsqueeze(0)
        if tensor.ndim == 2 and ndim > 2:
            tensor = tensor.unsqueeze(2)
        result.append(tensor)
    return result


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors below one another: vectors are rows, and the others are joined along dimension 0.

    Args:
        tensors: tensors that agree in all other dimensions.

    Raises:
        RuntimeError: the shapes do not fit, or the devices differ.
        ValueError: there are no tensors.

    Examples:
        >>> mg.vstack((mg.tensor([1, 2]), mg.tensor([3, 4])))
        tensor([[1, 2],
                [3, 4]])
    """
    return cat(_at_least("vstack", tensors, 2), 0)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors beside one another: along dimension 1, or 0 for vectors.

    Args:
        tensors: tensors that agree in all other dimensions.

    Raises:
        RuntimeError: the shapes do not fit, or the devices differ.
        ValueError: there are no tensors.

    Examples:
        >>> mg.hstack((mg.tensor([1, 2]), mg.tensor([3, 4])))
        tensor([1, 2, 3, 4])
    """
    tensors = _at_least("hstack", tensors, 1)
    return cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors behind one another: matrices get a third dimension, along which all are joined.

    Args:
        tensors: tensors that agree in all other dimensions.

    Raises:
        RuntimeError: the shapes do not fit, or the devices differ.
        ValueError: there are no tensors.

    Examples:
        >>> mg.dstack((mg.tensor([1, 2]), mg.tensor([3, 4])))
        tensor([[[1, 3],
                 [2, 4]]])
    """
    return cat(_at_least("dstack", tensors, 3), 2)


def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str | None = None) -> tuple[Tensor, ...]:
    """Span a grid by its axes: for each vector a view, of the grid's shape, with its coordinate of every point.

    Args:
        *tensors: vectors or numbers, or one sequence of them.
        indexing: "ij", in which the first vector runs down, or "xy", in which the first runs across and the second
            down. Without it "ij" is taken, with PyTorch's warning.

    Raises:
        RuntimeError: `indexing` is another one, or a tensor has more than one dimension.

    Examples:
        >>> mg.meshgrid(mg.tensor([1, 2]), mg.tensor([3, 4, 5]), indexing="ij")[0]
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    axes: Any = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    for i, axis in enumerate(axes):
        if check_tensor("meshgrid", f"tensors[{i}]", axis).ndim > 1:
            raise RuntimeError(f"meshgrid: expected vectors or numbers, got shape {list(axis.shape)} at position {i}")
    if indexing is None:
        warnings.warn(
            "meshgrid: in an upcoming release, it will be required to pass the indexing argument", stacklevel=2
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing!r}")
    shape = [axis.numel() for axis in axes]
    grids = [
        axis.reshape([-1 if i == j else 1 for j in range(len(shape))]).expand(shape) for i, axis in enumerate(axes)
    ]
    return tuple([grid.transpose(0, 1) for grid in grids] if indexing == "xy" and len(grids) > 1 else grids)


def repeat_interleave(
    input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Repeat each element, or each slice along a dimension, before the next one comes.

    Args:
        input: a tensor; alone, it is taken for `repeats`, and the result is the positions.
        repeats: how often: one number for all, or one for each.
        dim: the dimension; None for all elements in a row.
        output_size: accepted for PyTorch's sake.

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: `repeats` is negative, or has another length than the dimension.

    Examples:
        >>> mg.repeat_interleave(mg.tensor([1, 2]), 3)
        tensor([1, 1, 1, 2, 2, 2])
        >>> mg.repeat_interleave(mg.tensor([[1, 2], [3, 4]]), mg.tensor([1, 2]), dim=0)
        tensor([[1, 2],
                [3, 4],
                [3, 4]])
    """
    check_tensor("repeat_interleave", "input", input)
    alone = repeats is None
    given = input if alone else repeats
    counts = np.atleast_1d(on_host(given.array) if isinstance(given, Tensor) else np.asarray(given))
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise RuntimeError(f"repeat_interleave: repeats must be integers, got {counts.dtype} of {list(counts.shape)}")
    if (counts < 0).any():
        raise RuntimeError("repeat_interleave: repeats can not be negative")
    if dim is None:
        input, dim = input.reshape(-1), 0
    dim = _dimension("repeat_interleave", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if len(counts) not in (1, size):
        raise RuntimeError(
            f"repeat_interleave: repeats must have one number or {size}, the size of dimension {dim}, got {len(counts)}"
        )
    positions = np.repeat(np.arange(size), np.broadcast_to(counts, size))
    places = from_array(array_module(input.array).asarray(positions))
    return places if alone else index_select(input, dim, places)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Copy the windows of a dimension of `input`, which become a new last dimension.

    PyTorch's is a view: a write into it is seen in the tensor, and here it is not.

    Args:
        dimension: the dimension.
        size: the size of a window.
        step: from one window to the next.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a window is larger than the dimension, or the step is not positive.

    Examples:
        >>> mg.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
    """
    dim = _dimension("unfold", dimension, check_tensor("unfold", "input", input).ndim)
    length = input.shape[dim] if input.ndim else 1
    if not 0 <= size <= length:
        raise RuntimeError(f"unfold: size must be from 0 to the size {length} of dimension {dim}, got {size}")
    if step <= 0:
        raise RuntimeError(f"unfold: step must be positive, got {step}")
    windows = (length - size) // step + 1
    starts = array_module(input.array).arange(windows) * step
    places = starts[:, None] + array_module(input.array).arange(size)
    if input.ndim == 0:
        return input.reshape(1)[:size]
    taken = index_select(input, dim, from_array(places.reshape(-1)))
    return taken.unflatten(dim, (windows, size)).movedim(dim + 1, -1)
