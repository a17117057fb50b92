"""Matrix products: NumPy's own."""

from __future__ import annotations

from ..types import Array


def matmul(a: Array, b: Array) -> Array:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    return a @ b
