"""`torch.linalg`: norms, products, and systems of equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.autograd import Function
from minigrad.device import array_module
from minigrad.tensor import Tensor, from_array
from minigrad.torch.facade import face


class LinAlgError(RuntimeError):
    """A matrix does not have what is asked for, such as an inverse."""


class Solve(Function):
    """The X of A X = B. With its gradient G, that of B solves A^T H = G, and that of A is -H X^T."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        solution = from_array(_solved("solve", lambda: array_module(a.array).linalg.solve(a.array, b.array)))
        ctx.save_for_backward(a, solution)
        return solution

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        a, solution = ctx.saved_tensors
        grad_b = Solve.apply(a.mT, grad_output)
        return -(grad_b @ solution.mT) if ctx.needs_input_grad[0] else None, grad_b


class Inverse(Function):
    """Y = A^-1. With its gradient G, that of A is -Y^T G Y^T."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        inverse = from_array(_solved("inv", lambda: array_module(a.array).linalg.inv(a.array)))
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        return -(inverse.mT @ grad_output @ inverse.mT)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of A X = B, or with `left=False` of X A = B, for A (..., n, n) and B (..., n, k) or vectors (..., n)."""
    _check_square("solve", A)
    is_vector = B.ndim == 1 or B.shape == A.shape[:-1]
    if not left:
        if is_vector:
            raise RuntimeError("linalg.solve: left=False needs a B of matrices, not of vectors")
        return solve(A.mT, B.mT).mT
    columns = B.unsqueeze(-1) if is_vector else B
    if columns.dtype != A.dtype or columns.shape[-2] != A.shape[-1]:
        raise RuntimeError(f"linalg.solve: B {list(B.shape)} of {B.dtype} does not fit A {list(A.shape)} of {A.dtype}")
    solution = Solve.apply(A, columns)
    return solution.squeeze(-1) if is_vector else solution


def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices (..., n, n)."""
    _check_square("inv", A)
    return Inverse.apply(A)


def vector_norm(
    x: Tensor, ord: float = 2, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm (sum |x|^ord)^(1/ord) over dimensions, by default over all."""
    return x.norm(ord, dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices: "fro", or 1 the largest sum of a column, inf that of a row; -1 and -inf the smallest."""
    A = A if dtype is None else A.to(dtype)
    if A.ndim < 2 or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: expected matrices and two dimensions, got {list(A.shape)} and {dim}")
    if ord == "fro":
        return A.norm(2, tuple(dim), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: ord must be 'fro', 1, -1, inf or -inf here, got {ord!r}")
    rows, columns = (one % A.ndim for one in dim)
    summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = A.abs().sum(summed, keepdim=True)
    norms = sums.amax(chosen, keepdim=True) if ord > 0 else sums.amin(chosen, keepdim=True)
    return norms if keepdim else norms.squeeze((rows, columns))


def norm(
    A: Tensor, ord: Any = None, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """`vector_norm` over one dimension or where no order is given, else `matrix_norm`."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(dim, int) or (dim is not None and len(dim) == 1) or (dim is None and A.ndim == 1):
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    if dim is None and A.ndim != 2:
        raise RuntimeError(f"linalg.norm: with an order and no dim the input must be 1-D or 2-D, got {list(A.shape)}")
    return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of vectors along a dimension."""
    return (x * y).sum(dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross products of vectors of three numbers along a dimension."""
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross: dimension {dim} must be 3 in both, got {list(input.shape)} and {list(other.shape)}"
        )
    (a, b, c), (x, y, z) = input.unbind(dim), other.unbind(dim)
    return mg.stack([b * z - c * y, c * x - a * z, a * y - b * x], dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices, the first and the last of which may be vectors."""
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: expected at least 2 tensors, got {len(tensors)}")
    return reduce(mg.matmul, tensors)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, by squaring; a negative one is that of the inverse."""
    _check_square("matrix_power", A)
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        return mg.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape).clone()
    half = matrix_power(A, n // 2) if n > 1 else None
    square = A if half is None else half @ half
    return square @ A if n > 1 and n % 2 else square


def _check_square(operation: str, A: Tensor) -> None:
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.{operation}: A must be batches of square matrices, got shape {list(A.shape)}")
    if A.dtype not in (mg.float32, mg.float64):
        raise RuntimeError(f"linalg.{operation}: expected float32 or float64, got {A.dtype}")


def _solved(operation: str, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except np.linalg.LinAlgError:
        raise LinAlgError(f"linalg.{operation}: the matrix is singular") from None


__all__ = [
    "LinAlgError", "cross", "inv", "matrix_norm", "matrix_power", "multi_dot", "norm", "solve", "vecdot", "vector_norm",
]  # fmt: skip
__getattr__, __dir__ = face(__name__)
