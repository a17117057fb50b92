"""Reading and writing parts of a tensor: ``x[1:, None, mask]``.

An index is split as in PyTorch. The basic part (integers, slices, None and Ellipsis) makes a view. The advanced part
(index tensors, all at once) copies elements out of that view. NumPy counts integers to the advanced part, and orders
the result's dimensions differently there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.inplace import write
from minigrad.device import array_module, device_of, to_device
from minigrad.kernels import implementation
from minigrad.ops.arguments import (
    check_positions,
    check_same_device,
    check_tensor,
    dimension,
    number,
)
from minigrad.ops.comparison import eq
from minigrad.tensor import Tensor, from_array

__all__ = ["narrow", "select"]

EVERYTHING = slice(None)


class Slice(Function):
    """x[index] for integers, slices and None: a view"""

    is_view = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, index: Any) -> Tensor:
        ctx.shape, ctx.index = x.shape, index
        return from_array(x.array[(*index, ...)])  # with the Ellipsis NumPy gives an array for a single element too

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return SliceAdjoint.apply(grad_output, ctx.shape, ctx.index), None


class SliceAdjoint(Function):
    """A tensor of `shape` full of `fill` with the values at `index`: the derivative of `Slice`"""

    @staticmethod
    def forward(ctx: Context, values: Tensor, shape: tuple[int, ...], index: Any, fill: int = 0) -> Tensor:
        ctx.index = index
        whole = _full(values.array, shape, fill)
        whole[index] = values.array
        return from_array(whole)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return (Slice.apply(grad_output, ctx.index), None, None, None)[: len(ctx.needs_input_grad)]


def _full(values: Any, shape: tuple[int, ...], fill: Any) -> Any:
    """An array of `shape` full of `fill`, channels-last in memory if the values lie so."""
    xp = array_module(values)
    if values.ndim == len(shape) == 4 and values.strides[1] < values.strides[3]:
        batch, channels, height, width = shape
        return xp.full((batch, height, width, channels), fill, values.dtype).transpose(0, 3, 1, 2)
    return xp.full(shape, fill, values.dtype)


class Index(Function):
    """x[index] for index arrays (and full slices): a copy; `distinct` says that no element is read twice"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, index: Any, distinct: bool = False) -> Tensor:
        ctx.shape, ctx.index, ctx.distinct = x.shape, index, distinct
        if all([part is EVERYTHING for part in index[:-1]]):
            return from_array(x.array.take(index[-1], axis=len(index) - 1))  # the same, faster
        return from_array(array_module(x.array).ascontiguousarray(x.array[index]))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        grad_x = IndexAdjoint.apply(grad_output, ctx.shape, ctx.index, ctx.distinct)
        return (grad_x, None, None)[: len(ctx.needs_input_grad)]


class IndexAdjoint(Function):
    """Zeros of `shape` with the values added at `index`: an element read twice gets both gradients"""

    @staticmethod
    def forward(ctx: Context, values: Tensor, shape: tuple[int, ...], index: Any, distinct: bool = False) -> Tensor:
        ctx.index, ctx.distinct = index, distinct
        if distinct:
            whole = array_module(values.array).zeros(shape, values.dtype)
            whole[index] = values.array
            return from_array(whole)
        indexed = [dim for dim, part in enumerate(index) if part is not EVERYTHING]
        kept = [dim for dim in range(len(shape)) if dim not in indexed]
        sizes = [shape[dim] for dim in indexed]
        xp = array_module(values.array)
        arrays = xp.broadcast_arrays(*[index[dim] for dim in indexed])
        # The indices together count the elements of the indexed dimensions, which are brought to the front.
        positions = xp.zeros(arrays[0].shape, np.int64)
        for array, size in zip(arrays, sizes, strict=True):
            positions = positions * size + xp.where(array < 0, array + size, array)
        front = values.array
        if indexed == list(range(indexed[0], indexed[-1] + 1)):
            places = tuple(range(positions.ndim))
            front = xp.moveaxis(front, tuple([indexed[0] + place for place in places]), places)
        rest = [shape[dim] for dim in kept]
        rows = front.reshape(positions.size, math.prod(rest))
        total = sum_rows(rows, positions.reshape(-1), math.prod(sizes)).reshape(sizes + rest)
        return from_array(xp.moveaxis(total, tuple(range(total.ndim)), tuple(indexed + kept)))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        grad_values = Index.apply(grad_output, ctx.index, ctx.distinct)
        return (grad_values, None, None, None)[: len(ctx.needs_input_grad)]


def sum_rows(rows: Any, positions: Any, count: int) -> Any:
    """(count, C): row i is the sum of those of `rows` (K, C) whose position (K) is i."""
    if rows.dtype == np.float16:  # a format to store, not to add in
        return sum_rows(rows.astype(np.float32), positions, count).astype(np.float16)
    return implementation("sum_rows", rows).sum_rows(rows, positions, count)


def split_index(input: Tensor, index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The basic part of an index (integers, slices, None) and the advanced one (arrays and full slices).

    The arrays lie where the input does; those of a CPU tensor, an array or a list go there, as in PyTorch.
    """
    parts = [_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    consumed = sum([_consumes(part) for part in parts])
    if consumed > input.ndim:
        if input.ndim == 0 and len(parts) == 1 and isinstance(parts[0], int):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {input.ndim}")
    ellipses = [position for position, part in enumerate(parts) if part is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = ellipses[0] if ellipses else len(parts)
    parts[at : at + 1] = [EVERYTHING] * (input.ndim - consumed)
    basic: list[Any] = []
    advanced: list[Any] = []
    dim = 0
    for part in parts:
        size = input.shape[dim] if dim < input.ndim else 0
        if _is_array(part):
            if part.dtype != bool:
                check_positions("", part, dim, -size, size)
                basic.append(EVERYTHING)
                advanced.append(part)
            elif part.ndim == 0:  # True and False are a new dimension of size 1 or 0
                basic.append(None)
                advanced.append(np.zeros(int(part), np.int64))
            else:
                basic += [EVERYTHING] * part.ndim
                advanced += _mask_positions(input.shape, dim, part)
        else:
            if isinstance(part, int) and not -size <= part < size:
                raise IndexError(f"index {part} is out of bounds for dimension {dim} with size {size}")
            basic.append(EVERYTHING if part == EVERYTHING else part)
            if not isinstance(part, int):
                advanced.append(EVERYTHING)
        dim += _consumes(part)
    arrays = [part for part in advanced if part is not EVERYTHING]
    try:
        np.broadcast_shapes(*[array.shape for array in arrays])
    except ValueError:
        shapes = ", ".join([str(list(array.shape)) for array in arrays])
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    for entries in (basic, advanced):
        while entries and entries[-1] is EVERYTHING:
            entries.pop()
    if arrays:
        advanced = [part if part is EVERYTHING else _beside(input, part) for part in advanced]
    return tuple(basic), tuple(advanced)


def _beside(input: Tensor, part: Any) -> Any:
    """An index array on the input's device."""
    if type(part) is type(input.array):
        return part
    if isinstance(part, np.ndarray):
        return to_device(part, input.device)
    raise RuntimeError(
        f"indices should be either on cpu or on the same device as the indexed tensor ({input.device}), "
        f"got {device_of(part)}"
    )


def _is_array(part: Any) -> bool:
    return hasattr(part, "dtype")


def _part(part: Any) -> Any:
    """One entry of an index as an int, a slice, None, Ellipsis or an array."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        start, stop, step = [None if edge is None else edge.__index__() for edge in (part.start, part.stop, part.step)]
        if step is not None and step <= 0:
            raise ValueError("step must be greater than zero")
        return slice(start, stop, step)
    if isinstance(part, Tensor):
        return _index_array(part.array)
    if isinstance(part, bool | np.bool_ | list | tuple | range | np.ndarray):
        return _index_array(_as_array(part))
    if hasattr(part, "__index__"):
        return part.__index__()
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(part).__name__})"
    )


def _as_array(values: Any) -> np.ndarray:
    if isinstance(values, list | tuple) and any([isinstance(v, Tensor) for v in values]):
        values = [v.cpu().array if isinstance(v, Tensor) else v for v in values]
    array = np.asarray(values)
    if array.size == 0 and array.dtype.kind == "f" and not isinstance(values, np.ndarray):
        array = array.astype(np.int64)  # an empty list
    return array


def _index_array(array: Any) -> Any:
    """An array as one of booleans or of int64; a single integer as an int."""
    if array.dtype == np.uint8 and array.ndim:
        raise IndexError("indexing with dtype uint8 is not supported: use bool for a mask, int64 for positions")
    if array.dtype.kind not in "iub":
        raise IndexError(f"tensors used as indices must be long, int or bool tensors, got {array.dtype}")
    if array.ndim == 0 and array.dtype != bool:
        return int(array)
    # A private copy: backward uses the index again, and its owner may write into it before.
    return array.astype(bool if array.dtype == bool else np.int64)


def _consumes(part: Any) -> int:
    """The number of the tensor's dimensions that an entry indexes."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if _is_array(part) and part.dtype == bool else 1


def _mask_positions(shape: tuple[int, ...], dim: int, mask: Any) -> list[Any]:
    """Where a boolean mask over the dimensions from `dim` on is true."""
    for offset, size in enumerate(mask.shape):
        if size != shape[dim + offset]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {offset} does not match the shape of the "
                f"indexed tensor {list(shape)} at index {dim + offset}"
            )
    return list(mask.nonzero())


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for integers, slices, None and Ellipsis, a copy for tensors and masks."""
    basic, advanced = split_index(input, index)
    if not advanced:
        return Slice.apply(input, basic)
    return Index.apply(Slice.apply(input, basic) if basic else input, advanced)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, a number or a tensor that is broadcast and cast to what it replaces."""
    if isinstance(index, Tensor) and index.is_cuda and _masks(index, input) and not getattr(value, "ndim", 0):
        # Without asking where the mask is true, which would wait for the GPU.
        mask = index.reshape(*index.shape, *[1] * (input.ndim - index.ndim))
        value = value.to(input.device) if isinstance(value, Tensor) else number("setitem", value, input.dtype)
        input.masked_fill_(mask, value)
        return
    basic, advanced = split_index(input, index)
    target = Slice.apply(input, basic) if basic else input
    if not isinstance(value, Tensor):
        value = number("setitem", value, input.dtype)
    elif advanced and value.ndim:
        check_same_device("setitem", input, value)
    write(target, _fit(value, target, advanced), advanced or Ellipsis)


def _masks(index: Tensor, input: Tensor) -> bool:
    """Whether an index is a mask over the first dimensions of `input`."""
    return index.dtype == bool and 0 < index.ndim <= input.ndim and index.shape == input.shape[: index.ndim]


def _fit(value: Tensor, target: Tensor, advanced: tuple[Any, ...]) -> Tensor:
    """`value` without leading dimensions of size 1 in excess; RuntimeError if it cannot be broadcast."""
    shape = target.shape
    if advanced:
        places = [dim for dim, part in enumerate(advanced) if part is not EVERYTHING]
        together = np.broadcast_shapes(*[advanced[dim].shape for dim in places])
        neighbours = places == list(range(places[0], places[-1] + 1))
        before = shape[: places[0]] if neighbours else ()
        after = [size for dim, size in enumerate(shape) if dim not in places]
        shape = (*before, *together, *after[len(before) :])
    extra = max(value.ndim - len(shape), 0)
    fits = value.shape[:extra] == (1,) * extra and all(
        [size in (1, there) for size, there in zip(value.shape[::-1], shape[::-1], strict=False)]
    )
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing "
            f"result of shape {list(shape)}"
        )
    return value.reshape(value.shape[extra:]) if extra else value


def iterate(input: Tensor) -> Iterator[Tensor]:
    """The slices along the first dimension."""
    if input.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter([Slice.apply(input, (position,)) for position in range(input.shape[0])])


def contains(input: Tensor, element: Any) -> bool:
    """``element in input``: True if some element equals it."""
    if not isinstance(element, Tensor | Real):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but got a {type(element).__name__}")
    return bool(eq(input, element).array.any())


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Take a view of a range of a dimension: ``input[:, start : start + length]`` for dim = 1.

    Args:
        input: a tensor of at least one dimension.
        dim: the dimension.
        start: the first position; a negative one counts from the end.
        length: how many positions.

    Raises:
        IndexError: `dim` or `start` is out of range.
        RuntimeError: the tensor is 0-d, `length` is negative, or the range ends outside the dimension.

    Examples:
        >>> mg.narrow(mg.arange(10), 0, 3, 4)
        tensor([3, 4, 5, 6])
    """
    check_tensor("narrow", "input", input)
    if input.ndim == 0:
        raise RuntimeError("narrow: cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: start must be an int or a 0-dim integer tensor, got {start.dtype} {start.shape}")
    dim, start, length = dimension("narrow", dim, input.ndim), start.__index__(), length.__index__()
    size = input.shape[dim]
    if length < 0:
        raise RuntimeError(f"narrow: length must be non-negative, got {length}")
    if not -size <= start <= size:
        raise IndexError(f"narrow: start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return Slice.apply(input, (*[EVERYTHING] * dim, slice(start, start + length)))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Take a view of one position of a dimension, which is dropped: ``input[:, index]`` for dim = 1.

    Args:
        input: a tensor of at least one dimension.
        dim: the dimension.
        index: the position; a negative one counts from the end.

    Raises:
        IndexError: the tensor is 0-d, or `dim` or `index` is out of range.

    Examples:
        >>> mg.select(mg.tensor([[1, 2], [3, 4]]), 1, -1)
        tensor([2, 4])
    """
    check_tensor("select", "input", input)
    if input.ndim == 0:
        raise IndexError("select: cannot be applied to a 0-dim tensor.")
    dim, index = dimension("select", dim, input.ndim), index.__index__()
    size = input.shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"select: index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    return Slice.apply(input, (*[EVERYTHING] * dim, index))
