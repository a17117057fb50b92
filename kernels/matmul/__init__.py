"""Matrix products."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class Matmul(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def matmul(self, a: Array, b: Array) -> Array:
        """a (..., M, K) @ b (..., K, N), broadcast over the leading axes."""
        ...
