"""Dropout: multiply by a random mask in training, do nothing in evaluation."""

from __future__ import annotations

from numbers import Real

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.inplace import write
from minigrad.generator import default_generator
from minigrad.kernels import implementation
from minigrad.ops.arguments import check_floating
from minigrad.tensor import Tensor, from_array

__all__ = ["dropout", "dropout2d"]

WORDS_PER_BLOCK = 4  # of the generator's stream


class Dropout(Function):
    """x * mask / (1 - p); the mask is drawn again in backward from (seed, offset), and so never stored"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, p: float, seed: int, offset: int) -> Tensor:
        ctx.draw = p, seed, offset
        return from_array(implementation("dropout", x.array).forward(x.array, *ctx.draw))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Dropout.apply(grad_output, *ctx.draw), None, None, None


def _drop(x: Tensor, p: float) -> Tensor:
    """Each element of `x` zeroed or scaled, by the next numbers of the default generator."""
    return Dropout.apply(x, float(p), *default_generator.reserve(-(-x.numel() // WORDS_PER_BLOCK), x))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability `p`, and multiply the others by 1 / (1 - p).

    Args:
        input: a floating-point tensor of any shape.
        p: the probability of a 0.
        training: if False, return `input` unchanged.
        inplace: overwrite `input` and return it.

    Raises:
        ValueError: `p` is outside [0, 1].
        RuntimeError: the input is not floating-point.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).

    Examples:
        >>> y = F.dropout(mg.ones(1000), p=0.2)
        >>> sorted(set(y.tolist())), round(y.mean().item(), 1)
        ([0.0, 1.25], 1.0)
    """
    check_floating("dropout", "input", input)
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    return write(input, _drop(input, p), computed=True) if inplace else _drop(input, p)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set whole channels to 0 with probability `p`, and multiply the others by 1 / (1 - p).

    Args:
        input: a floating-point tensor (N, C, ...); each of the N * C maps is kept or zeroed as a whole.
        p: the probability of a 0.
        training: if False, return `input` unchanged.
        inplace: overwrite `input` and return it.

    Raises:
        ValueError: `p` is outside [0, 1].
        RuntimeError: the input is not floating-point, or has fewer than 2 dimensions.

    Source: Tompson et al., "Efficient object localization using convolutional networks" (CVPR 2015).

    Examples:
        >>> y = F.dropout2d(mg.ones(1, 100, 2, 2))
        >>> set(y.sum((0, 2, 3)).tolist())  # a channel is 4 times 0 or 4 times 2
        {0.0, 8.0}
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
