"""Systems of linear equations, with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.autograd import Function
from minigrad.device import array_module
from minigrad.tensor import Tensor, from_array


class LinAlgError(RuntimeError):
    """A matrix does not have what is asked for, such as an inverse."""


class Solve(Function):
    """The X of A X = B. With its gradient G, that of B solves A^T H = G, and that of A is -H X^T."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        solution = from_array(solved("solve", lambda: array_module(a.array).linalg.solve(a.array, b.array)))
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
        inverse = from_array(solved("inv", lambda: array_module(a.array).linalg.inv(a.array)))
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        return -(inverse.mT @ grad_output @ inverse.mT)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of A X = B, or with `left=False` of X A = B, for A (..., n, n) and B (..., n, k) or vectors (..., n)."""
    check_square("solve", A)
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
    check_square("inv", A)
    return Inverse.apply(A)


def solved(operation: str, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except np.linalg.LinAlgError:
        raise LinAlgError(f"linalg.{operation}: the matrix is singular") from None


def check_square(operation: str, A: Tensor) -> None:
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.{operation}: A must be batches of square matrices, got shape {list(A.shape)}")
    if A.dtype not in (mg.float32, mg.float64):
        raise RuntimeError(f"linalg.{operation}: expected float32 or float64, got {A.dtype}")
