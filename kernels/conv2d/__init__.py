"""2-D convolution and its two gradients, on float32 or float64 arrays of any strides."""

from __future__ import annotations

from typing import Protocol

from ..types import Array, Pair, Shape


class Conv2d(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        *,
        scale: Array | None = None,
        relu: bool = False,
    ) -> Array:
        """y (N, O, OH, OW) from x (N, C, H, W), weight (O, C // groups, KH, KW) and bias (O).

        With a `scale` (O) the product is multiplied by it before the bias is added; with `relu`, max(y, 0).
        """
        ...

    def input_gradient(
        self, dy: Array, weight: Array, input_shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Array:
        """dx of `input_shape` from dy (N, O, OH, OW): a transposed convolution."""
        ...

    def weight_gradient(
        self,
        dy: Array,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        *,
        dbias: Array | None = None,
    ) -> Array:
        """dweight (O, C // groups, *kernel_size) from dy and x; the bias's gradient is written into `dbias` (O)."""
        ...
