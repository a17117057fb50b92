"""Max-pooling over (N, C, H, W)."""

from __future__ import annotations

from typing import Protocol

from ..types import Array, Pair, Shape


class MaxPool2d(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(
        self, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> tuple[Array, Array]:
        """The largest of each window, (N, C, OH, OW), and its place in the window."""
        ...

    def backward(
        self,
        dy: Array,
        index: Array,
        input_shape: Shape,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        *,
        gate: Array | None = None,
    ) -> Array:
        """dx of `input_shape`: each dy added at the place of its window's maximum; 0 where a `gate` is <= 0."""
        ...

    def flat_index(
        self, index: Array, input_shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> Array:
        """The places as PyTorch counts them: int64 in the plane, h W + w."""
        ...
