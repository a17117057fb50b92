"""Average-pooling over (N, C, H, W)."""

from __future__ import annotations

from typing import Protocol

from ..types import Array, Pair, Shape


class AvgPool2d(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """The mean of each window: y (N, C, OH, OW)."""
        ...

    def backward(
        self,
        dy: Array,
        input_shape: Shape,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """dx of `input_shape` from dy (N, C, OH, OW)."""
        ...
