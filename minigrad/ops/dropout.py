"""Dropout: multiply by a random mask in training, do nothing in evaluation."""

from __future__ import annotations

from numbers import Real

from minigrad.autograd import Function
from minigrad.autograd.inplace import write
from minigrad.generator import default_generator
from minigrad.kernels.dispatch import implementation
from minigrad.ops.arguments import check_floating
from minigrad.tensor import Tensor, from_array

__all__ = ["dropout", "dropout2d"]

WORDS_PER_BLOCK = 4  # of the generator's stream


class Dropout(Function):
    """x * mask / (1 - p); the mask is drawn again in backward from (seed, offset), and so never stored"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx, x, p, seed, offset):
        ctx.draw = p, seed, offset
        return from_array(implementation("dropout", x.array).forward(x.array, *ctx.draw))

    @staticmethod
    def backward(ctx, grad_output):
        return Dropout.apply(grad_output, *ctx.draw), None, None, None


def _drop(x: Tensor, p: float) -> Tensor:
    """Each element of `x` zeroed or scaled, by the next numbers of the default generator."""
    return Dropout.apply(x, float(p), *default_generator.reserve(-(-x.numel() // WORDS_PER_BLOCK), x))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In `training` zero each element with probability `p` and scale the others by 1 / (1 - p).

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).
    """
    check_floating("dropout", "input", input)
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    return write(input, _drop(input, p), computed=True) if inplace else _drop(input, p)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels: each of the N * C maps of input (N, C, ...) is kept or zeroed.

    Tompson et al., "Efficient object localization using convolutional networks" (CVPR 2015).
    """
    check_floating("dropout2d", "input", input)
    check_probability("dropout2d", p)
    if input.ndim < 2:
        raise RuntimeError(f"dropout2d: input must have at least 2 dimensions, got shape {list(input.shape)}")
    if not training or p == 0:
        return input
    mask = _drop(input.new_ones((*input.shape[:2], *[1] * (input.ndim - 2))), p)
    return input.mul_(mask) if inplace else input * mask


def check_probability(operation: str, p: float) -> float:
    """`p`, if it is a number from 0 to 1."""
    if isinstance(p, bool) or not isinstance(p, Real):
        raise TypeError(f"{operation}: argument 'p' must be a number, not {type(p).__name__}")
    if not 0 <= p <= 1:
        raise ValueError(f"{operation}: dropout probability has to be between 0 and 1, but got {p}")
    return p
