"""Changes of shape: views of a tensor's memory, and copies where no view is possible.

A view shares its memory with the tensor it was taken from. The engine links the two (`Function.is_view`): a write into
one is a write into the other, with gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.kernels import is_channels_last
from minigrad.ops.arguments import check_tensor, dimension, dimensions, takes_sizes
from minigrad.tensor import Tensor, from_array

__all__ = [
    "flatten",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]


class Reshape(Function):
    """The elements in row-major order under another shape; a view if the memory allows it, else a copy"""

    is_view = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        ctx.shape = x.shape
        return from_array(x.array.reshape(shape))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output.reshape(ctx.shape), None


class Permute(Function):
    """The dimensions in another order; the gradient takes them back"""

    is_view = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, dims: tuple[int, ...]) -> Tensor:
        ctx.dims = dims
        return from_array(x.array.transpose(dims))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output.permute(tuple(np.argsort(ctx.dims).tolist())), None


def infer_shape(operation: str, shape: Sequence[int], numel: int) -> tuple[int, ...]:
    """`shape` with a -1 replaced by what makes up `numel` elements; RuntimeError if nothing does."""
    shape = tuple(shape)
    if any(size < -1 for size in shape):
        raise RuntimeError(f"{operation}: invalid shape dimension {min(shape)} in {list(shape)}")
    if shape.count(-1) > 1:
        raise RuntimeError(f"{operation}: only one dimension can be inferred, got {list(shape)}")
    known = math.prod(size for size in shape if size != -1)
    if -1 in shape:
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"{operation}: cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if known and numel % known == 0:
            return tuple([numel // known if size == -1 else size for size in shape])
    elif known == numel:
        return shape
    raise RuntimeError(f"{operation}: shape '{list(shape)}' is invalid for input of size {numel}")


@takes_sizes
def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Give the same elements, in row-major order, another shape; a view if the memory allows it, else a copy.

    Args:
        input: a tensor.
        shape: the sizes, as integers or one sequence; one may be -1 and is inferred.

    Raises:
        RuntimeError: the shape does not fit the number of elements.

    Examples:
        >>> mg.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    return Reshape.apply(input, infer_shape("reshape", shape, input.numel()))


@takes_sizes
def view(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Give the same memory another shape.

    The result of a convolution may lie channels-last in memory, where flattening cannot be a view: `view` then
    returns a copy that cannot be written in place.

    Args:
        input: a tensor.
        shape: as for `reshape`.

    Raises:
        RuntimeError: the shape does not fit the number of elements, or the strides do not allow a view.

    Examples:
        >>> x = mg.zeros(2, 2)
        >>> x.view(4)[0] = 1
        >>> x
        tensor([[1., 0.],
                [0., 0.]])
    """
    shape = infer_shape("view", shape, input.numel())
    viewed = Reshape.apply(input, shape)
    if viewed._version is input._version:
        return viewed
    if input._base is None and input.ndim == 4 and is_channels_last(input.array):
        viewed._writable = False
    else:
        raise RuntimeError(
            "view: view size is not compatible with input tensor's size and stride (at least one dimension "
            "spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return viewed


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Give the same memory the shape of another tensor.

    Args:
        input: a tensor.
        other: the tensor that gives the shape.

    Examples:
        >>> mg.arange(4).view_as(mg.zeros(2, 2)).shape
        (2, 2)
    """
    return view(input, check_tensor("view_as", "other", other).shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Give the same elements the shape of another tensor.

    Args:
        input: a tensor.
        other: the tensor that gives the shape.

    Examples:
        >>> mg.arange(4).reshape_as(mg.zeros(2, 2)).shape
        (2, 2)
    """
    return reshape(input, check_tensor("reshape_as", "other", other).shape)


@takes_sizes
def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Take a view with the dimensions in another order.

    Args:
        input: a tensor.
        dims: every dimension once, as integers or one sequence.

    Raises:
        RuntimeError: `dims` does not name every dimension once.
        IndexError: there is no such dimension.

    Examples:
        An image from (height, width, channels) to (channels, height, width).

        >>> mg.zeros(28, 32, 3).permute(2, 0, 1).shape
        (3, 28, 32)
    """
    if len(dims) != input.ndim:
        raise RuntimeError(
            "permute: number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions: {input.ndim} and {list(dims)}"
        )
    return Permute.apply(input, dimensions("permute", dims, input.ndim) if dims else ())


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Take a view with two dimensions swapped.

    Args:
        input: a tensor.
        dim0, dim1: the dimensions.

    Raises:
        IndexError: there is no such dimension.

    Examples:
        >>> mg.transpose(mg.tensor([[1, 2], [3, 4]]), 0, 1)
        tensor([[1, 3],
                [2, 4]])
    """
    check_tensor("transpose", "input", input)
    dim0, dim1 = dimension("transpose", dim0, input.ndim), dimension("transpose", dim1, input.ndim)
    dims = list(range(input.ndim))
    if dims:
        dims[dim0], dims[dim1] = dim1, dim0
    return Permute.apply(input, tuple(dims))


def t(input: Tensor) -> Tensor:
    """Transpose a matrix; a vector or number `input` is returned as a view of itself.

    Raises:
        RuntimeError: the tensor has more than 2 dimensions.

    Examples:
        >>> mg.t(mg.tensor([[1, 2, 3]]))
        tensor([[1],
                [2],
                [3]])
    """
    check_tensor("t", "input", input)
    if input.ndim > 2:
        raise RuntimeError(f"t: expects a tensor with <= 2 dimensions, but self is {input.ndim}D; use .mT")
    return Permute.apply(input, tuple(range(input.ndim))[::-1])


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Take a view with some dimensions moved to other places; the others keep their order.

    Args:
        input: a tensor.
        source: the dimension or dimensions to be moved.
        destination: their new places.

    Raises:
        RuntimeError: the two have different lengths, or name a dimension twice.
        IndexError: there is no such dimension.

    Examples:
        >>> mg.movedim(mg.zeros(2, 3, 4), 1, -1).shape
        (2, 4, 3)
    """
    check_tensor("movedim", "input", input)
    source, destination = [
        dimensions("movedim", dims, input.ndim) if dims != () else () for dims in (source, destination)
    ]
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: source {source} and destination {destination} must have the same length")
    order = [dim for dim in range(input.ndim) if dim not in source]
    for place, dim in sorted(zip(destination, source, strict=True)):
        order.insert(place, dim)
    return Permute.apply(input, tuple(order))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge a range of dimensions into one.

    Args:
        input: a tensor.
        start_dim, end_dim: the first and the last dimension of the range.

    Raises:
        RuntimeError: `start_dim` comes after `end_dim`.
        IndexError: there is no such dimension.

    Examples:
        >>> mg.flatten(mg.zeros(8, 3, 4, 4), 1).shape
        (8, 48)
    """
    check_tensor("flatten", "input", input)
    shape = input.shape
    start, end = dimension("flatten", start_dim, len(shape)), dimension("flatten", end_dim, len(shape))
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} cannot come after end_dim {end_dim}")
    if start == end and shape:
        return input
    return Reshape.apply(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """Put all elements of `input` into one dimension, in row-major order.

    Examples:
        >>> mg.ravel(mg.tensor([[1, 2], [3, 4]]))
        tensor([1, 2, 3, 4])
    """
    check_tensor("ravel", "input", input)
    return Reshape.apply(input, (input.numel(),))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split a dimension into several.

    Args:
        input: a tensor.
        dim: the dimension.
        sizes: the new sizes; one may be -1 and is inferred.

    Raises:
        RuntimeError: the sizes do not fit, or the tensor is 0-d.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> mg.unflatten(mg.zeros(2, 12), 1, (3, -1)).shape
        (2, 3, 4)
    """
    check_tensor("unflatten", "input", input)
    dim = dimension("unflatten", dim, input.ndim)
    if input.ndim == 0 or len(sizes) == 0:
        raise RuntimeError(f"unflatten: needs a dimension to split and sizes, got shape {input.shape} and {sizes}")
    parts = infer_shape("unflatten", sizes, input.shape[dim])
    return Reshape.apply(input, (*input.shape[:dim], *parts, *input.shape[dim + 1 :]))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Take a view without dimensions of size 1.

    Args:
        input: a tensor.
        dim: the dimension or dimensions to drop if their size is 1; None means all.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Examples:
        >>> mg.zeros(1, 3, 1).squeeze().shape, mg.zeros(1, 3, 1).squeeze(0).shape
        ((3,), (3, 1))
    """
    check_tensor("squeeze", "input", input)
    dropped = range(input.ndim) if dim is None else () if dim == () else dimensions("squeeze", dim, input.ndim)
    return Reshape.apply(input, tuple([n for d, n in enumerate(input.shape) if n != 1 or d not in dropped]))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Take a view with a new dimension of size 1.

    Args:
        input: a tensor.
        dim: the place of the new dimension.

    Raises:
        IndexError: there is no such place.

    Examples:
        >>> mg.unsqueeze(mg.tensor([1, 2]), 1)
        tensor([[1],
                [2]])
    """
    check_tensor("unsqueeze", "input", input)
    dim = dimension("unsqueeze", dim, input.ndim + 1)
    return Reshape.apply(input, (*input.shape[:dim], 1, *input.shape[dim:]))


def reversed_dimensions(input: Tensor) -> Tensor:
    """Take a view with all dimensions in reverse order: ``x.T`` of the tensor `input`."""
    return Permute.apply(input, tuple(range(input.ndim))[::-1])


def matrix_transpose(input: Tensor) -> Tensor:
    """Take a view with the last two dimensions swapped: ``x.mT`` of the tensor `input`."""
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor")
    return transpose(input, -2, -1)
