"""Dropout: noise in training that keeps units from relying on one another."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.ops.dropout import check_probability
from minigrad.tensor import Tensor

__all__ = ["Dropout", "Dropout2d"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = check_probability(type(self).__name__, p)
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training set each element to 0 with probability `p`, and multiply the others by 1 / (1 - p).

    In evaluation the input, of any shape, is returned unchanged.

    Args:
        p: the probability of a 0.
        inplace: overwrite the input.

    Raises:
        ValueError: `p` is outside [0, 1].

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).

    Examples:
        >>> drop = nn.Dropout(0.5)
        >>> sorted(set(drop(mg.ones(100)).tolist()))
        [0.0, 2.0]
        >>> drop.eval()(mg.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training set whole channels to 0 with probability `p`, and multiply the others by 1 / (1 - p).

    Neighbouring pixels are so alike that dropping them one by one removes little information. Input (N, C, H, W)
    or (C, H, W).

    Args:
        p: the probability of a 0.
        inplace: overwrite the input.

    Raises:
        ValueError: `p` is outside [0, 1].

    Source: Tompson et al., "Efficient object localization using convolutional networks" (CVPR 2015).

    Examples:
        >>> y = nn.Dropout2d()(mg.ones(1, 100, 2, 2))
        >>> sorted(set(y.sum((0, 2, 3)).tolist()))  # a channel is kept or dropped as a whole
        [0.0, 8.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)
