"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.kernels import implementation
from minigrad.ops.arguments import broadcast_shapes, check_same_device, check_tensor
from minigrad.tensor import Tensor, from_array

__all__ = ["bmm", "dot", "matmul", "mm", "mv", "outer"]

# How PyTorch's messages name the types.
TYPE_NAMES = {"float64": "double", "float32": "float", "float16": "half", "int64": "long", "int16": "short"}


class MatMul(Function):
    """The products x y of the matrices in the last two dimensions, those before them broadcast.

    With the gradient G of x y, that of x is G y^T, that of y is x^T G. Matrices which all meet the same y are
    stacked into one tall matrix, so that each direction is a single product.
    """

    fresh_gradients = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, y: Tensor) -> Tensor:
        need_x, need_y = ctx.needs_input_grad
        ctx.save_for_backward(x if need_y else None, y if need_x else None)
        a, b = x.array, y.array
        ctx.stacked = a.ndim > 2 and b.ndim == 2
        ctx.y_transposed = b.ndim == 2 and b.flags.f_contiguous and not b.flags.c_contiguous
        if ctx.stacked:
            return from_array(as_stack(multiply(as_matrix(a), b), a))
        return from_array(multiply(a, b))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        grad_x = grad_y = None
        if y is not None:
            grad_x = MatMul.apply(grad_output, y.mT)
        if x is not None:
            if ctx.stacked:
                x = x.reshape(rows_and_columns(x.shape))
                grad_output = grad_output.reshape(rows_and_columns(grad_output.shape))
            # The gradient lies in memory as y does: a transposed weight gets a transposed gradient.
            grad_y = MatMul.apply(grad_output.mT, x).mT if ctx.y_transposed else MatMul.apply(x.mT, grad_output)
        return grad_x, grad_y


def multiply(a: Any, b: Any) -> Any:
    """The matrix product of two arrays; the kernel is for the types that BLAS knows."""
    dtype = a.dtype
    if dtype == b.dtype and dtype.char in "fd":
        return implementation("matmul", a).matmul(a, b)
    return a @ b


def as_matrix(array: Any) -> Any:
    """The array with all leading dimensions as one."""
    return array if array.ndim == 2 else array.reshape(rows_and_columns(array.shape))


def as_stack(matrix: Any, array: Any) -> Any:
    """A matrix with one row for each of `array` taken as a matrix, in the array's leading dimensions."""
    return matrix if array.ndim == 2 else matrix.reshape(*array.shape[:-1], matrix.shape[1])


def rows_and_columns(shape: tuple[int, ...]) -> tuple[int, int]:
    """The shape with all leading dimensions as one."""
    return math.prod(shape[:-1]), shape[-1]


def check_factors(
    operation: str, first: Tensor, second: Tensor, shapes: tuple[tuple[Any, ...], tuple[Any, ...]] | None = None
) -> None:
    """RuntimeError unless two tensors, taken as matrices of `shapes` (their own), can be multiplied."""
    dtype = first.dtype
    if dtype != second.dtype:
        m1, m2 = (TYPE_NAMES.get(t.dtype.name, t.dtype.name) for t in (first, second))
        raise RuntimeError(f"{operation}: expected m1 and m2 to have the same dtype, but got: {m1} != {m2}")
    if dtype.kind == "b":
        raise RuntimeError(f"{operation}: products of bool tensors are not implemented; convert them with .int()")
    check_same_device(operation, first, second)
    shape1, shape2 = shapes or (first.shape, second.shape)
    if shape1[-1] != shape2[-2]:
        mat1, mat2 = ("x".join([str(size) for size in shape]) for shape in (shape1, shape2))
        raise RuntimeError(f"{operation}: mat1 and mat2 shapes cannot be multiplied ({mat1} and {mat2})")
    if len(shape1) > 2 and len(shape2) > 2:
        broadcast_shapes(operation, shape1[:-2], shape2[:-2])


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Multiply matrices: the product over the last two dimensions, with the dimensions before them broadcast.

    Args:
        input: (..., n, k), or (k,) for a row whose dimension is dropped from the result.
        other: (..., k, m), or (k,) for a column whose dimension is dropped from the result.

    Raises:
        RuntimeError: an operand is 0-d, the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> a = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> mg.matmul(a, mg.tensor([1.0, 10.0]))
        tensor([21., 43.])
        >>> (mg.ones(5, 1, 2, 3) @ mg.ones(4, 3, 6)).shape
        (5, 4, 2, 6)
    """
    check_tensor("matmul", "input", input)
    check_tensor("matmul", "other", other)
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            f"matmul: both arguments need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    if input.ndim == 1 and other.ndim == 1:
        return dot(input, other)
    x = input.unsqueeze(0) if input.ndim == 1 else input
    y = other.unsqueeze(1) if other.ndim == 1 else other
    check_factors("matmul", x, y)
    product = MatMul.apply(x, y)
    if input.ndim == 1:
        return product.squeeze(-2)
    return product.squeeze(-1) if other.ndim == 1 else product


def _check_dims(operation: str, **tensors: tuple[Tensor, int]) -> None:
    for name, (tensor, ndim) in tensors.items():
        check_tensor(operation, name, tensor)
        if tensor.ndim != ndim:
            raise RuntimeError(f"{operation}: {name} must be a {ndim}-D tensor, got shape {list(tensor.shape)}")


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Multiply two matrices, without broadcasting.

    Args:
        input: (n, k).
        mat2: (k, m); the result is (n, m).

    Raises:
        RuntimeError: an operand is not a matrix, the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.mm(mg.eye(2), mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.],
                [3., 4.]])
    """
    _check_dims("mm", input=(input, 2), mat2=(mat2, 2))
    check_factors("mm", input, mat2)
    return MatMul.apply(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Multiply two batches of matrices, pair by pair.

    Args:
        input: (b, n, k).
        mat2: (b, k, m); the result is (b, n, m).

    Raises:
        RuntimeError: an operand is not 3-d, the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.bmm(mg.ones(2, 1, 3), mg.ones(2, 3, 4)).shape
        (2, 1, 4)
    """
    _check_dims("bmm", input=(input, 3), mat2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: expected batches of the same size, got {list(input.shape)} and {list(mat2.shape)}")
    check_factors("bmm", input, mat2)
    return MatMul.apply(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Multiply a matrix and a vector.

    Args:
        input: (n, k).
        vec: (k,); the result is (n,).

    Raises:
        RuntimeError: the dimensions or sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.mv(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([1.0, 1.0]))
        tensor([3., 7.])
    """
    _check_dims("mv", input=(input, 2), vec=(vec, 1))
    if input.shape[1] != vec.shape[0]:
        rows, columns = input.shape
        raise RuntimeError(f"mv: matrix and vector shapes cannot be multiplied ({rows}x{columns} and {vec.shape[0]}x1)")
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum the products of the elements of two vectors.

    Args:
        input, tensor: vectors (n,); the result is 0-d.

    Raises:
        RuntimeError: an operand is not a vector, the lengths differ, or dtypes or devices differ.

    Examples:
        >>> mg.dot(mg.tensor([1.0, 2.0, 3.0]), mg.tensor([4.0, 5.0, 6.0]))
        tensor(32.)
    """
    _check_dims("dot", input=(input, 1), tensor=(tensor, 1))
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"dot: inconsistent tensor size, expected both to have the same number of elements, but got "
            f"{input.numel()} and {tensor.numel()}"
        )
    row, column = input.unsqueeze(0), tensor.unsqueeze(1)
    check_factors("dot", row, column)
    return MatMul.apply(row, column).reshape(())


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Multiply each element of one vector by each element of another.

    Args:
        input: (n,).
        vec2: (m,); the result is (n, m).

    Raises:
        RuntimeError: an operand is not a vector, or the devices differ.

    Examples:
        >>> mg.outer(mg.tensor([1, 2]), mg.tensor([10, 20, 30]))
        tensor([[10, 20, 30],
                [20, 40, 60]])
    """
    _check_dims("outer", input=(input, 1), vec2=(vec2, 1))
    return input.unsqueeze(1) * vec2
