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
from minigrad.torch.decompositions import (
    cholesky,
    cond,
    det,
    eigh,
    eigvalsh,
    matrix_exp,
    matrix_rank,
    pinv,
    qr,
    slogdet,
    solve_triangular,
    svd,
    svdvals,
)
from minigrad.torch.equations import LinAlgError, check_square, inv, solve
from minigrad.torch.facade import face


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
    check_square("matrix_power", A)
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        return mg.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape).clone()
    half = matrix_power(A, n // 2) if n > 1 else None
    square = A if half is None else half @ half
    return square @ A if n > 1 and n % 2 else square


__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "eigh", "eigvalsh", "inv", "matrix_exp", "matrix_norm",
    "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd",
    "svdvals", "vecdot", "vector_norm",
]  # fmt: skip
__getattr__, __dir__ = face(__name__)
