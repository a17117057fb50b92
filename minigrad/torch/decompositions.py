"""Decompositions of matrices, and what follows from them: forward by LAPACK, backward in tensor operations.

So there are derivatives of every order. Those of `svd` and `eigh` need singular values and eigenvalues that differ,
that of a determinant a matrix that is not singular. In the formulas G is the gradient of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.autograd import Function
from minigrad.device import array_module
from minigrad.tensor import Tensor, from_array
from minigrad.torch.equations import LinAlgError, Solve, check_square, inv, solved


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def _by_lapack(operation: str, a: Tensor, function: Callable[[Any, Any], Any]) -> Any:
    """The arrays of ``function(linalg, array)``, as tensors."""
    results = solved(operation, lambda: function(array_module(a.array).linalg, a.array))
    return tuple([from_array(result) for result in results]) if isinstance(results, tuple) else from_array(results)


def _check_matrices(operation: str, a: Tensor) -> None:
    if not isinstance(a, Tensor) or a.ndim < 2 or a.dtype not in (mg.float32, mg.float64):
        what = f"{a.dtype} of shape {list(a.shape)}" if isinstance(a, Tensor) else type(a).__name__
        raise RuntimeError(f"linalg.{operation}: expected matrices of float32 or float64, got {what}")


class Det(Function):
    """The determinant d; the gradient is G d A^-T"""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        result = _by_lapack("det", a, lambda linalg, array: linalg.det(array))
        ctx.save_for_backward(a, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        a, result = ctx.saved_tensors
        return (grad_output * result)[..., None, None] * inv(a).mT


class Slogdet(Function):
    """The sign of the determinant, and the logarithm of its absolute value, whose gradient is G A^-T"""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        sign, logarithm = _by_lapack("slogdet", a, lambda linalg, array: tuple(linalg.slogdet(array)))
        ctx.save_for_backward(a)
        ctx.mark_non_differentiable(sign)
        return sign, logarithm

    @staticmethod
    def backward(ctx: Any, grad_sign: Tensor, grad_output: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        return grad_output[..., None, None] * inv(a).mT


class Cholesky(Function):
    """The lower triangle L with A = L L^T; the gradient is L^-T P L^-1, P the symmetric part of tril(L^T G)"""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        lower = _by_lapack("cholesky", a, lambda linalg, array: linalg.cholesky(array))
        ctx.save_for_backward(lower)
        return lower

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (lower,) = ctx.saved_tensors
        product = (lower.mT @ grad_output).tril()
        symmetric = (product + product.tril(-1).mT) / 2
        return Solve.apply(lower.mT, Solve.apply(lower.mT, symmetric).mT).mT


class Eigh(Function):
    """Eigenvalues w and eigenvectors V of symmetric matrices; V (diag(Gw) + V^T Gv / (wj - wi)) V^T is the gradient"""

    @staticmethod
    def forward(ctx: Any, a: Tensor, triangle: str) -> tuple[Tensor, Tensor]:
        values, vectors = _by_lapack("eigh", a, lambda linalg, array: tuple(linalg.eigh(array, triangle)))
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, grad_values: Tensor, grad_vectors: Tensor) -> Any:
        values, vectors = ctx.saved_tensors
        inside = vectors.mT @ grad_vectors * _apart(values) + _diagonal(grad_values)
        return vectors @ inside @ vectors.mT, None


def _apart(values: Tensor) -> Tensor:
    """1 / (wj - wi), and 0 on the diagonal."""
    differences = values.unsqueeze(-2) - values.unsqueeze(-1)
    same = mg.eye(values.shape[-1], dtype=mg.bool_, device=values.device)
    return differences.masked_fill(same, float("inf")).reciprocal()


def _diagonal(values: Tensor) -> Tensor:
    """Matrices with the values on the diagonal."""
    return values.unsqueeze(-1) * mg.eye(values.shape[-1], dtype=values.dtype, device=values.device)


class QR(Function):
    """A = Q R; the gradient is (Gq + Q S) R^-T, S symmetric from the upper triangle of Gr R^T - Q^T Gq"""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        q, r = _by_lapack("qr", a, lambda linalg, array: tuple(linalg.qr(array)))
        ctx.save_for_backward(q, r)
        return q, r

    @staticmethod
    def backward(ctx: Any, grad_q: Tensor, grad_r: Tensor) -> Tensor:
        q, r = ctx.saved_tensors
        if q.shape[-2] < r.shape[-1]:
            raise RuntimeError(f"linalg.qr: no derivative for wide matrices, got shape {[q.shape[-2], r.shape[-1]]}")
        upper = (grad_r @ r.mT - q.mT @ grad_q).triu()
        symmetric = upper + upper.triu(1).mT
        return Solve.apply(r, (grad_q + q @ symmetric).mT).mT


class SVD(Function):
    """A = U S V^T with as few columns as there are singular values"""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, s, vh = _by_lapack("svd", a, lambda linalg, array: tuple(linalg.svd(array, full_matrices=False)))
        ctx.save_for_backward(u, s, vh)
        return u, s, vh

    @staticmethod
    def backward(ctx: Any, grad_u: Tensor, grad_s: Tensor, grad_vh: Tensor) -> Tensor:
        u, s, vh = ctx.saved_tensors
        v, grad_v, apart = vh.mT, grad_vh.mT, _apart(s * s)
        of_u, of_v = u.mT @ grad_u, v.mT @ grad_v
        rows, columns = s.unsqueeze(-1), s.unsqueeze(-2)
        inside = (of_u - of_u.mT) * apart * columns + rows * ((of_v - of_v.mT) * apart) + _diagonal(grad_s)
        gradient = u @ inside @ vh
        if u.shape[-2] > u.shape[-1]:  # the part of G outside of the columns of U
            gradient = gradient + (grad_u - u @ of_u) / columns @ vh
        if v.shape[-2] > v.shape[-1]:
            gradient = gradient + u @ ((grad_v - v @ of_v) / columns).mT
        return gradient


class Pinv(Function):
    """The pseudo-inverse P (Golub and Pereyra, 1973)"""

    @staticmethod
    def forward(ctx: Any, a: Tensor, rcond: float) -> Tensor:
        inverse = _by_lapack("pinv", a, lambda linalg, array: linalg.pinv(array, rcond))
        ctx.save_for_backward(a, inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        a, p = ctx.saved_tensors
        g = grad_output.mT
        inner = p.mT @ p @ (g - g @ p @ a)
        outer = g @ p @ p.mT
        return -(p @ g @ p).mT + outer - a @ p @ outer + inner, None


def det(A: Tensor) -> Tensor:
    """The determinants of square matrices (..., n, n)."""
    check_square("det", A)
    return Det.apply(A)


def slogdet(A: Tensor) -> SlogdetResult:
    """The signs of the determinants, and the logarithms of their absolute values."""
    check_square("slogdet", A)
    return SlogdetResult(*Slogdet.apply(A))


def logdet(input: Tensor) -> Tensor:
    """The logarithms of the determinants; NaN where one is negative."""
    sign, logarithm = slogdet(input)
    return logarithm.masked_fill(sign < 0, math.nan)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangles L with A = L L^T of symmetric matrices, or with `upper` their transposes."""
    check_square("cholesky", A)
    lower = Cholesky.apply(A)
    return lower.mT if upper else lower


def eigh(A: Tensor, UPLO: str = "L") -> EighResult:
    """The eigenvalues in rising order, and the eigenvectors as columns, of symmetric matrices."""
    check_square("eigh", A)
    return EighResult(*Eigh.apply(A, UPLO.upper()))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, in rising order."""
    return eigh(A, UPLO).eigenvalues


def qr(A: Tensor, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and R, upper triangular, of A = Q R; `mode` can only be "reduced"."""
    _check_matrices("qr", A)
    if mode != "reduced":
        raise RuntimeError(f"linalg.qr: mode must be 'reduced' here, got {mode!r}")
    return QRResult(*QR.apply(A))


def svd(A: Tensor, full_matrices: bool = True, *, driver: Any = None) -> SVDResult:
    """U, the singular values S in falling order, and V^T of A = U diag(S) V^T; full ones are not differentiable."""
    _check_matrices("svd", A)
    if not full_matrices or A.shape[-1] == A.shape[-2]:
        return SVDResult(*SVD.apply(A))
    if A.requires_grad and mg.is_grad_enabled():
        raise RuntimeError("linalg.svd: full_matrices=True has no derivative; pass full_matrices=False")
    return SVDResult(*_by_lapack("svd", A, lambda linalg, array: tuple(linalg.svd(array))))


def svdvals(A: Tensor, *, driver: Any = None) -> Tensor:
    """The singular values in falling order."""
    return svd(A, False).S


def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """`torch.svd`: U, S and V, which is not transposed."""
    u, s, vh = svd(input, not some)
    if not compute_uv:
        u, vh = mg.zeros_like(u), mg.zeros_like(vh)
    return OldSVDResult(u, s, vh.mT)


class OldSVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


def _epsilon(a: Tensor) -> float:
    """The relative size of singular values that are rounding errors."""
    return max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)


def pinv(A: Tensor, *, rcond: float | None = None, rtol: float | None = None, hermitian: bool = False) -> Tensor:
    """The pseudo-inverses of matrices; singular values below `rtol` times the largest count as 0."""
    _check_matrices("pinv", A)
    given = rtol if rcond is None else rcond
    limit = _epsilon(A) if given is None else given
    return Pinv.apply(A, limit)


def matrix_rank(A: Tensor, *, tol: float | None = None, rtol: float | None = None, hermitian: bool = False) -> Tensor:
    """How many singular values are larger than `tol`, or `rtol` times the largest."""
    values = svdvals(A.detach())
    if tol is None:
        limit = _epsilon(A) if rtol is None else rtol
        return (values > values[..., :1] * limit).sum(-1)
    return (values > tol).sum(-1)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The largest singular value over the smallest; `p` can only be None or 2."""
    if p not in (None, 2):
        raise RuntimeError(f"linalg.cond: p must be None or 2 here, got {p!r}")
    values = svdvals(A)
    return values[..., 0] / values[..., -1]


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """The X of A X = B (or X A = B), of A only one triangle, with `unitriangular` ones on its diagonal."""
    check_square("solve_triangular", A)
    triangle = A.triu(int(unitriangular)) if upper else A.tril(-int(unitriangular))
    if unitriangular:
        triangle = triangle + mg.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    return Solve.apply(triangle, B) if left else Solve.apply(triangle.mT, B.mT).mT


def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials of square matrices: a series for A / 2^s, squared s times."""
    check_square("matrix_exp", A)
    size = float(A.detach().abs().sum(-2).max()) if A.numel() else 0.0
    if not math.isfinite(size):
        raise LinAlgError("linalg.matrix_exp: the matrix has infinite elements or NaN")
    halvings = max(0, math.ceil(math.log2(size)) + 1) if size else 0
    scaled = A / 2**halvings
    result = mg.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape)
    for k in range(16, 0, -1):  # Horner's rule: 1 + A (1 + A/2 (1 + A/3 (...)))
        result = mg.eye(A.shape[-1], dtype=A.dtype, device=A.device) + scaled @ result / k
    for _ in range(halvings):
        result = result @ result
    return result
