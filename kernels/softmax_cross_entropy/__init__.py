"""Log-softmax and cross-entropy against class indices, in one pass."""

from __future__ import annotations

from typing import Protocol

from ..types import Array


class SoftmaxCrossEntropy(Protocol):
    """What each implementation computes; `reference.py` says how."""

    def forward(
        self, logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
    ) -> tuple[Array, Array]:
        """losses (N,) and log_probabilities (N, C) from logits (N, C) and target int64 (N,)."""
        ...

    def backward(
        self,
        dlosses: Array,
        log_probabilities: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        label_smoothing: float,
    ) -> Array:
        """dlogits (N, C) from dlosses (N,)."""
        ...


class SoftmaxCrossEntropyOnGPU(SoftmaxCrossEntropy, Protocol):
    """What only `cuda.py` computes."""

    def mean(
        self, losses: Array, target: Array, weight: Array | None, classes: int, ignore_index: int
    ) -> tuple[Array, Array]:
        """The weighted mean of the losses, and what their sum was divided by; both 0-d."""
        ...

    def out_of_range(self, array: Array) -> Array:
        """The counter of targets out of range that losses on the array's GPU have met: int32 (1,)."""
        ...
