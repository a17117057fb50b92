"""Elementwise sums and ReLU."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class Elementwise(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def relu(self, x: Array, out: Array | None = None) -> Array:
        """max(x, 0); NaN stays NaN."""
        ...

    def relu_backward(self, dy: Array, y: Array) -> Array:
        """dy where y = relu(x) is positive or NaN, else 0."""
        ...

    def add(self, x: Array, y: Array, out: Array | None = None) -> Array:
        """x + y, of one shape and dtype."""
        ...


class ElementwiseOnGPU(Elementwise, Protocol):
    """What only `cuda.py` computes."""

    def erf(self, x: Array) -> Array:
        """The error function."""
        ...
