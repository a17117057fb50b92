"""Dropout: noise in training that keeps units from relying on one another."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.ops.dropout import check_probability
from minigrad.tensor import Tensor


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = check_probability(type(self).__name__, p)
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training sets each element to 0 with probability `p` and scales the others by 1 / (1 - p).

    In evaluation returns its input. Srivastava et al., "Dropout", 2014.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training sets each channel of an image to 0 with probability `p`, scales the others by 1 / (1 - p).

    Neighbouring pixels are so alike that dropping them singly would drop little. Input (N, C, H, W) or
    (C, H, W).
    Tompson et al., "Efficient object localization using convolutional networks", 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)
