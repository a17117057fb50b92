"""Products of more than two factors or dimensions, made of matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigrad.ops.arguments import check_tensor, dimension
from minigrad.ops.diagonal import diagonal
from minigrad.ops.joining import stack
from minigrad.ops.linalg import bmm, matmul, mm, mv
from minigrad.tensor import Tensor

__all__ = ["addmm", "addmv", "baddbmm", "cross", "inner", "kron", "tensordot", "trace", "vdot"]


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Sum the products over several dimensions of two tensors; what remains of `a` comes before what remains of `b`.

    Args:
        a, b: the tensors.
        dims: how many dimensions, the last of `a` and the first of `b`; or a list of those of `a` and one of `b`.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: the dimensions differ in number or in size, or dtypes or devices differ.

    Examples:
        >>> mg.tensordot(mg.ones(2, 3, 4), mg.ones(3, 4, 5), dims=2).shape
        (2, 5)
    """
    check_tensor("tensordot", "a", a)
    check_tensor("tensordot", "b", b)
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims must be from 0 to {min(a.ndim, b.ndim)}, got {dims}")
        of_a, of_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        of_a, of_b = (
            [dimension("tensordot", dim, tensor.ndim) for dim in named]
            for named, tensor in zip(dims, (a, b), strict=True)
        )
    sizes = [a.shape[dim] for dim in of_a]
    if sizes != [b.shape[dim] for dim in of_b]:
        raise RuntimeError(f"tensordot: contracted dimensions {sizes} and {[b.shape[dim] for dim in of_b]} must match")
    rows = [dim for dim in range(a.ndim) if dim not in of_a]
    columns = [dim for dim in range(b.ndim) if dim not in of_b]
    inside = math.prod(sizes)
    left = a.permute(rows + of_a).reshape(math.prod([a.shape[dim] for dim in rows]), inside)
    right = b.permute(of_b + columns).reshape(inside, math.prod([b.shape[dim] for dim in columns]))
    return mm(left, right).reshape([a.shape[dim] for dim in rows] + [b.shape[dim] for dim in columns])


def _sum(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta input + alpha product; without `input`, which may then be NaN, where beta is 0."""
    if product.dtype.kind in "iu":  # the factors of integers are integers
        beta, alpha = int(beta), int(alpha)
    scaled = product if alpha == 1 else alpha * product
    if beta == 0:
        return scaled
    return (input if beta == 1 else beta * input) + scaled


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Add a product of matrices: beta input + alpha mat1 mat2.

    Args:
        input: a tensor that broadcasts to (n, m).
        mat1: (n, k).
        mat2: (k, m).
        beta, alpha: the factors; with beta = 0 the values of `input` do not matter.

    Raises:
        RuntimeError: the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.addmm(mg.ones(2), mg.eye(2), mg.eye(2))
        tensor([[2., 1.],
                [1., 2.]])
    """
    check_tensor("addmm", "input", input)
    return _sum(input, mm(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Add a product of a matrix and a vector: beta input + alpha mat vec.

    Args:
        input: a tensor that broadcasts to (n,).
        mat: (n, k).
        vec: (k,).
        beta, alpha: the factors; with beta = 0 the values of `input` do not matter.

    Raises:
        RuntimeError: the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.addmv(mg.ones(2), mg.eye(2), mg.tensor([1.0, 2.0]))
        tensor([2., 3.])
    """
    check_tensor("addmv", "input", input)
    return _sum(input, mv(mat, vec), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Add products of matrices, pair by pair: beta input + alpha batch1 batch2.

    Args:
        input: a tensor that broadcasts to (b, n, m).
        batch1: (b, n, k).
        batch2: (b, k, m).
        beta, alpha: the factors; with beta = 0 the values of `input` do not matter.

    Raises:
        RuntimeError: the sizes do not fit, or dtypes or devices differ.

    Examples:
        >>> mg.baddbmm(mg.ones(1), mg.ones(2, 1, 3), mg.ones(2, 3, 1)).flatten()
        tensor([4., 4.])
    """
    check_tensor("baddbmm", "input", input)
    return _sum(input, bmm(batch1, batch2), beta, alpha)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum the products over the last dimensions of two tensors.

    Args:
        input: (..., k), or a number, which multiplies.
        other: (..., k), or a number.

    Raises:
        RuntimeError: the last dimensions differ, or dtypes or devices do.

    Examples:
        >>> mg.inner(mg.tensor([1.0, 2.0]), mg.tensor([[3.0, 4.0], [5.0, 6.0]]))
        tensor([11., 17.])
    """
    check_tensor("inner", "input", input)
    check_tensor("inner", "other", other)
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return tensordot(input, other, ((-1,), (-1,)))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Sum the products of the elements of two vectors, as `dot` does for numbers that are not complex.

    Args:
        input, other: vectors (n,).

    Raises:
        RuntimeError: an operand is not a vector, the lengths differ, or dtypes or devices differ.

    Examples:
        >>> mg.vdot(mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0]))
        tensor(11.)
    """
    if check_tensor("vdot", "input", input).ndim != 1 or check_tensor("vdot", "other", other).ndim != 1:
        raise RuntimeError(f"vdot: expected two vectors, got shapes {list(input.shape)} and {list(other.shape)}")
    return matmul(input, other)


def trace(input: Tensor) -> Tensor:
    """Sum the diagonal of a matrix.

    Args:
        input: (n, m).

    Raises:
        RuntimeError: it is not a matrix.

    Examples:
        >>> mg.trace(mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    if check_tensor("trace", "input", input).ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, got shape {list(input.shape)}")
    return diagonal(input).sum()


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Replace each element of a tensor by its product with another tensor: the Kronecker product.

    Args:
        input, other: tensors; the shorter shape gets leading dimensions of 1.

    Raises:
        RuntimeError: the devices differ.

    Examples:
        >>> mg.kron(mg.tensor([[1, 2]]), mg.tensor([[1, 1]]))
        tensor([[1, 1, 2, 2]])
    """
    check_tensor("kron", "input", input)
    check_tensor("kron", "other", other)
    ndim = max(input.ndim, other.ndim)
    outside, inside = ([1] * (ndim - tensor.ndim) + list(tensor.shape) for tensor in (input, other))
    spread = input.reshape([size for one in outside for size in (one, 1)])
    tiles = other.reshape([size for one in inside for size in (1, one)])
    return (spread * tiles).reshape([a * b for a, b in zip(outside, inside, strict=True)])


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Take the cross products of vectors of three numbers.

    Args:
        input, other: tensors whose shapes broadcast.
        dim: the dimension of the vectors; None for the first of size 3.

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: the dimension is not of size 3, or the shapes do not fit.

    Examples:
        >>> mg.cross(mg.tensor([1.0, 0.0, 0.0]), mg.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    check_tensor("cross", "input", input)
    check_tensor("cross", "other", other)
    if dim is None:
        dim = next((d for d, size in enumerate(input.shape) if size == 3), -1)
    if not input.ndim or input.ndim != other.ndim:
        raise RuntimeError(
            f"cross: inputs must have the same number of dimensions, got {list(input.shape)} and {list(other.shape)}"
        )
    dim = dimension("cross", dim, input.ndim)
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"cross: dimension {dim} must be of size 3 in both, got {list(input.shape)} and {list(other.shape)}"
        )
    (a, b, c), (x, y, z) = input.unbind(dim), other.unbind(dim)
    return stack([b * z - c * y, c * x - a * z, a * y - b * x], dim)
