"""Reading and writing parts of a tensor: ``x[1:, None, mask]``.

An index is taken apart as PyTorch does it. First the basic part: integers, slices, None and Ellipsis make a view.
Then the advanced part: index tensors, all of them at once, copy elements out of that view. (NumPy counts integers
to the advanced part, and orders the result's dimensions differently there.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor
from minigrad.tensor import Tensor

__all__ = ["masked_fill"]

EVERYTHING = slice(None)


class Slice(Function):
    """x[index] for integers, slices and None: a view"""

    is_view = True

    @staticmethod
    def forward(ctx, x, index):
        ctx.shape, ctx.index = x.shape, index
        return Tensor(x.array[(*index, ...)])  # with the Ellipsis NumPy gives an array for a single element too

    @staticmethod
    def backward(ctx, grad_output):
        return SliceAdjoint.apply(grad_output, ctx.shape, ctx.index), None


class SliceAdjoint(Function):
    """Zeros of `shape` with the values at `index`: the derivative of `Slice`, whose derivative is `Slice`"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx, values, shape, index):
        ctx.index = index
        whole = array_module(values.array).zeros(shape, values.dtype)
        whole[index] = values.array
        return Tensor(whole)

    @staticmethod
    def backward(ctx, grad_output):
        return Slice.apply(grad_output, ctx.index), None, None


class Index(Function):
    """x[index] for index arrays (and full slices): a copy"""

    @staticmethod
    def forward(ctx, x, index):
        ctx.shape, ctx.index = x.shape, index
        return Tensor(read(x.array, index))

    @staticmethod
    def backward(ctx, grad_output):
        return IndexAdjoint.apply(grad_output, ctx.shape, ctx.index), None


class IndexAdjoint(Function):
    """Zeros of `shape` with the values added at `index`: an element that was read twice gets both gradients"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx, values, shape, index):
        ctx.index = index
        whole = array_module(values.array).zeros(shape, values.dtype)
        add_at(whole, index, values.array)
        return Tensor(whole)

    @staticmethod
    def backward(ctx, grad_output):
        return Index.apply(grad_output, ctx.index), None, None


def read(array, index: tuple):
    """``array[index]`` for index arrays, in row-major order; IndexError in PyTorch's words."""
    try:
        return np.ascontiguousarray(array[index])
    except IndexError as error:
        raise _in_our_words(error) from None


def add_at(array, index: tuple, values) -> None:
    """``array[index] += values``, adding as often as an element is named."""
    array_module(array).add.at(array, index, values)


def _in_our_words(error: IndexError) -> IndexError:
    return IndexError(str(error).replace("axis", "dimension").replace("indexing arrays could not", "indices cannot"))


def split_index(input: Tensor, index: Any) -> tuple[tuple, tuple]:
    """The basic part of an index (integers, slices, None) and the advanced one (arrays and full slices)."""
    parts = [_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    consumed = sum([_consumes(part) for part in parts])
    if consumed > input.ndim:
        if input.ndim == 0 and len(parts) == 1 and isinstance(parts[0], int):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {input.ndim}")
    ellipses = [position for position, part in enumerate(parts) if part is Ellipsis]
    # A second Ellipsis stands for no dimension, and so does nothing.
    at = ellipses[0] if ellipses else len(parts)
    whole = [EVERYTHING] * (input.ndim - consumed)
    parts = [part for part in [*parts[:at], *whole, *parts[at:]] if part is not Ellipsis]
    basic: list = []
    advanced: list = []
    dim = 0
    for part in parts:
        size = input.shape[dim] if dim < input.ndim else 0
        if isinstance(part, np.ndarray):
            if part.dtype != bool:
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
            basic.append(part)
            if not isinstance(part, int):
                advanced.append(EVERYTHING)
        dim += _consumes(part)
    while basic and basic[-1] == EVERYTHING:
        basic.pop()
    if not any([isinstance(part, np.ndarray) for part in advanced]):
        return tuple(basic), ()
    return tuple(basic), tuple(advanced)


def _part(part: Any):
    """One entry of an index as an int, a slice, None, Ellipsis or an array."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        start, stop, step = [None if edge is None else edge.__index__() for edge in (part.start, part.stop, part.step)]
        if step is not None and step <= 0:
            raise ValueError("step must be greater than zero")
        return slice(start, stop, step)
    if isinstance(part, Tensor):
        part = part.array
    if isinstance(part, bool | np.bool_ | list | tuple | range | np.ndarray):
        part = _as_index(part)
        return int(part) if part.ndim == 0 and part.dtype != bool else part
    if hasattr(part, "__index__"):
        return part.__index__()
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(part).__name__})"
    )


def _as_index(values: Any) -> np.ndarray:
    if isinstance(values, list | tuple) and any([isinstance(v, Tensor) for v in values]):
        values = [v.array if isinstance(v, Tensor) else v for v in values]
    array = np.asarray(values)
    if array.size == 0 and array.dtype.kind == "f" and not isinstance(values, np.ndarray):
        array = array.astype(np.int64)  # an empty list
    if array.dtype == np.uint8 and array.ndim:
        raise IndexError("indexing with dtype uint8 is not supported: use bool for a mask, int64 for positions")
    if array.dtype.kind not in "iub":
        raise IndexError(f"tensors used as indices must be long, int or bool tensors, got {array.dtype}")
    return array


def _consumes(part: Any) -> int:
    """How many of the tensor's dimensions an entry speaks of."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


def _mask_positions(shape: tuple[int, ...], dim: int, mask: np.ndarray) -> list[np.ndarray]:
    """Where a boolean mask over the dimensions from `dim` on is true."""
    for offset, size in enumerate(mask.shape):
        if size != shape[dim + offset]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {offset} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {dim + offset}"
            )
    return list(mask.nonzero())


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: a view for integers, slices, None and Ellipsis; a copy for index tensors and masks."""
    basic, advanced = split_index(input, index)
    if not advanced:
        return Slice.apply(input, basic)
    return Index.apply(Slice.apply(input, basic) if basic else input, advanced)


class MaskedFill(Function):
    """x with `value` where the mask holds; no gradient flows there, and all that it stops flows to `value`"""

    @staticmethod
    def forward(ctx, x, mask, value):
        ctx.mask = mask
        fill = value.array if isinstance(value, Tensor) else x.dtype.type(value)
        return Tensor(array_module(x.array).where(mask.array, fill, x.array).astype(x.dtype, copy=False))

    @staticmethod
    def backward(ctx, grad_output):
        grad_value = grad_output.masked_fill(~ctx.mask, 0) if ctx.needs_input_grad[2] else None
        return grad_output.masked_fill(ctx.mask, 0), None, grad_value


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with `value` (a number or a 0-d tensor) where `mask`, broadcast, is true."""
    check_tensor("masked_fill", "input", input)
    check_tensor("masked_fill", "mask", mask)
    if mask.dtype != bool:
        raise RuntimeError(f"masked_fill: only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"masked_fill: only supports a 0-dimensional value tensor, but got {value.ndim} dimension(s)")
    return MaskedFill.apply(input, mask, value)
