"""Philox4x32-10: random numbers as a pure function of seed and position."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from ..types import Array, Scalar
from . import reference

__all__ = ["Philox", "reference"]


class Philox(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def blocks(self, n: int, dtype: DTypeLike) -> int:
        """How many positions of the stream a draw of n values uses."""
        ...

    def random_bits(self, n: int, seed: Scalar, offset: int) -> Array:
        """n random words, uint32."""
        ...

    def uniform(self, n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
        """n numbers, evenly spread over [0, 1)."""
        ...

    def normal(self, n: int, seed: Scalar, offset: int, dtype: DTypeLike = np.float32) -> Array:
        """n standard normal numbers."""
        ...
