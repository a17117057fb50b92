"""Joining, splitting, repeating, reversing and padding tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.kernels import compiled, is_channels_last
from minigrad.ops.arguments import check_same_device, check_tensor, dimension, dimensions, takes_sizes
from minigrad.ops.convert import contiguous_format
from minigrad.ops.indexing import EVERYTHING, narrow, select
from minigrad.tensor import Tensor, from_array

__all__ = ["cat", "chunk", "flip", "roll", "split", "stack", "tile", "unbind"]


class Cat(Function):
    """The tensors one after the other along `dim`; the gradient is split again"""

    @staticmethod
    def forward(ctx: Context, dim: int, *tensors: Tensor) -> Tensor:
        ctx.dim, ctx.sizes = dim, [tensor.shape[dim] for tensor in tensors]
        arrays = [tensor.array for tensor in tensors if tensor.shape[dim]] or [tensors[0].array]
        xp = array_module(arrays[0])
        if dim == 1 and xp is np and all([_channels_last(array) for array in arrays]) and compiled():
            from minigrad.kernels import cpu  # it imports Numba

            return from_array(cpu.side_by_side(arrays))
        if xp is not np and len(arrays) > 8:
            return from_array(_joined(xp, arrays, dim))
        return from_array(xp.concatenate(arrays, axis=dim))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return None, *split(grad_output, ctx.sizes, ctx.dim)


def _joined(xp: Any, arrays: list[Any], dim: int) -> Any:
    """`concatenate` on a GPU, by a copy for each array: CuPy would upload a table of the addresses of more than eight,
    which no CUDA graph can hold."""
    shape = list(arrays[0].shape)
    shape[dim] = sum([array.shape[dim] for array in arrays])
    out = xp.empty(shape, np.result_type(*[array.dtype for array in arrays]))
    start = 0
    for array in arrays:
        end = start + array.shape[dim]
        out[(EVERYTHING,) * dim + (slice(start, end),)] = array
        start = end
    return out


def _channels_last(array: np.ndarray) -> bool:
    return array.ndim == 4 and array.dtype.char in "fd" and array.flags.behaved and is_channels_last(array)


class Flip(Function):
    """The order of the elements reversed along some dimensions; so is the gradient's"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...]) -> Tensor:
        ctx.dims = dims
        return from_array(array_module(x.array).flip(x.array, dims).copy())

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Flip.apply(grad_output, ctx.dims), None


def _tensors(operation: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, Sequence):
        raise TypeError(f"{operation}: argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            check_tensor(operation, f"tensors[{i}]", tensor)
    check_same_device(operation, *tensors)
    return list(tensors)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Concatenate tensors along an existing dimension.

    Args:
        tensors: a sequence of tensors whose sizes agree in all other dimensions; dtypes are promoted, and empty
            vectors are skipped.
        dim: the dimension along which they follow one another.

    Raises:
        ValueError: the sequence is empty.
        RuntimeError: a tensor is 0-d, or sizes, dimensions or devices do not fit.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.cat([mg.tensor([[1, 2]]), mg.tensor([[3, 4], [5, 6]])])
        tensor([[1, 2],
                [3, 4],
                [5, 6]])
        >>> mg.cat([mg.tensor([[1, 2]]), mg.tensor([[9]])], dim=1)
        tensor([[1, 2, 9]])
    """
    tensors = _tensors("cat", tensors)
    if not tensors:
        raise ValueError("cat: expected a non-empty list of Tensors")
    for position, tensor in enumerate(tensors):
        if tensor.ndim == 0:
            raise RuntimeError(f"cat: zero-dimensional tensor (at position {position}) cannot be concatenated")
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        if tensor.dtype != dtype:
            dtype = dtypes.promote_types(dtype, tensor.dtype)
    # An empty vector goes with everything, as in PyTorch: people start loops with it. It gets the shape that fits.
    first = next((tensor for tensor in tensors if tensor.shape != (0,)), tensors[0])
    dim = dimension("cat", dim, first.ndim)
    expected = (*first.shape[:dim], *first.shape[dim + 1 :])
    nothing = (*expected[:dim], 0, *expected[dim:])
    tensors = [tensor.reshape(nothing) if tensor.shape == (0,) else tensor for tensor in tensors]
    for position, tensor in enumerate(tensors):
        if tensor.ndim != first.ndim:
            raise RuntimeError(f"cat: Tensors must have same number of dimensions: got {first.ndim} and {tensor.ndim}")
        others = (*tensor.shape[:dim], *tensor.shape[dim + 1 :])
        if others != expected:
            want, got = next((want, got) for want, got in zip(expected, others, strict=True) if want != got)
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {dim}. Expected size {want} "
                f"but got size {got} for tensor number {position} in the list."
            )
    return Cat.apply(dim, *[tensor if tensor.dtype == dtype else tensor.to(dtype) for tensor in tensors])


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension.

    Args:
        tensors: a sequence of tensors of one shape.
        dim: the place of the new dimension.

    Raises:
        RuntimeError: the sequence is empty, or shapes or devices differ.
        IndexError: there is no place `dim`.

    Examples:
        >>> mg.stack([mg.tensor([1, 2]), mg.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    tensors = _tensors("stack", tensors)
    if not tensors:
        raise RuntimeError("stack: expects a non-empty TensorList")
    for position, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack: expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 "
                f"and {list(tensor.shape)} at entry {position}"
            )
    dim = dimension("stack", dim, tensors[0].ndim + 1)
    return cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor into views along a dimension.

    Args:
        tensor: a tensor of at least one dimension.
        split_size_or_sections: the size of each part (the last may be smaller), or a sequence of sizes that sum to
            the dimension's.
        dim: the dimension.

    Raises:
        RuntimeError: the tensor is 0-d, or the sizes are negative or do not sum to the dimension's.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.split(mg.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
        >>> mg.split(mg.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    check_tensor("split", "tensor", tensor)
    if tensor.ndim == 0:
        raise RuntimeError("split: expects at least a 1-dimensional tensor")
    dim = dimension("split", dim, tensor.ndim)
    size = tensor.shape[dim]
    if isinstance(split_size_or_sections, Sequence):
        sections = list(split_size_or_sections)
        if any(section < 0 for section in sections) or sum(sections) != size:
            raise RuntimeError(
                f"split: expects split_sizes to be non-negative and to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={sections}"
            )
    else:
        step = split_size_or_sections
        if step < 0 or (step == 0 and size):
            raise RuntimeError(
                f"split: split_size must be positive (0 only for a dimension of size 0), got {step} for size {size}"
            )
        sections = [min(step, size - start) for start in range(0, size, step or 1)] or [0]
    starts = [sum(sections[:i]) for i in range(len(sections))]
    return tuple([narrow(tensor, dim, start, length) for start, length in zip(starts, sections, strict=True)])


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor into at most `chunks` views of equal size along a dimension; the last may be smaller.

    Args:
        input: a tensor of at least one dimension.
        chunks: how many parts.
        dim: the dimension.

    Raises:
        RuntimeError: the tensor is 0-d, or `chunks` is not positive.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.chunk(mg.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    check_tensor("chunk", "input", input)
    if input.ndim == 0:
        raise RuntimeError("chunk: expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk: expects `chunks` to be greater than 0, got: {chunks}")
    size = input.shape[dimension("chunk", dim, input.ndim)]
    return split(input, -(-size // chunks) if size else [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of all positions along a dimension, which is dropped.

    Args:
        input: a tensor of at least one dimension.
        dim: the dimension.

    Raises:
        IndexError: the tensor is 0-d, or there is no dimension `dim`.

    Examples:
        >>> mg.unbind(mg.tensor([[1, 2], [3, 4]]))
        (tensor([1, 2]), tensor([3, 4]))
    """
    check_tensor("unbind", "input", input)
    if input.ndim == 0:
        raise IndexError("unbind: dimension specified as 0 but tensor has no dimensions")
    dim = dimension("unbind", dim, input.ndim)
    return tuple([select(input, dim, position) for position in range(input.shape[dim])])


@takes_sizes
def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """Copy the tensor several times along each dimension.

    Args:
        input: a tensor.
        repeats: how often, for each dimension; more numbers than dimensions make new dimensions in front.

    Raises:
        RuntimeError: there are fewer numbers than dimensions, or one is negative.

    Examples:
        >>> mg.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "repeat: number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor, got {list(repeats)} for shape {list(input.shape)}"
        )
    if any(count < 0 for count in repeats):
        raise RuntimeError(f"repeat: repeats must be non-negative, got {list(repeats)}")
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    once = input.reshape([length for size in shape for length in (1, size)])
    tiled = once.expand([length for pair in zip(repeats, shape, strict=True) for length in pair])
    return tiled.clone(memory_format=contiguous_format).reshape([r * n for r, n in zip(repeats, shape, strict=True)])


@takes_sizes
def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Copy the tensor several times along each dimension, as `repeat`.

    Args:
        input: a tensor.
        dims: how often, for each dimension; missing numbers in front count as 1.

    Raises:
        RuntimeError: a number is negative.

    Examples:
        >>> mg.tile(mg.tensor([[1, 2]]), (2,))
        tensor([[1, 2, 1, 2]])
    """
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


@takes_sizes
def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Copy a tensor with the order of the elements reversed along some dimensions.

    Args:
        input: a tensor.
        dims: the dimensions.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> mg.flip(mg.tensor([[1, 2], [3, 4]]), (1,))
        tensor([[2, 1],
                [4, 3]])
    """
    return Flip.apply(input, dimensions("flip", dims, input.ndim) if dims else ())


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Shift the elements along dimensions; those shifted out come in at the other end.

    Args:
        input: a tensor.
        shifts: by how many places, an int or one per dimension.
        dims: the dimension or dimensions; None shifts the flattened tensor.

    Raises:
        RuntimeError: `shifts` and `dims` have different lengths.
        IndexError: there is no such dimension.

    Examples:
        >>> mg.roll(mg.arange(5), 2)
        tensor([3, 4, 0, 1, 2])
    """
    check_tensor("roll", "input", input)
    if dims is None:
        return roll(input.ravel(), shifts, 0).reshape(input.shape)
    if input.ndim == 0:
        raise IndexError(f"roll: got dims {dims} for a tensor that has no dimensions")
    shifts, dims = [tuple(v) if isinstance(v, Sequence) else (v,) for v in (shifts, dims)]
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: shifts and dimensions must align, got shifts {shifts} and dims {dims}")
    for shift, dim in zip(shifts, dims, strict=True):
        dim = dimension("roll", dim, input.ndim)
        if input.numel():
            head = -shift % input.shape[dim]
            input = cat([narrow(input, dim, head, input.shape[dim] - head), narrow(input, dim, 0, head)], dim)
    return input.clone() if all(shift == 0 for shift in shifts) else input
