"""Activation functions that fewer networks use. At kinks the derivatives are PyTorch's."""

from __future__ import annotations

from numpy.typing import DTypeLike

from minigrad.ops.activation import log1p_exp, maybe_in_place, softmax
from minigrad.ops.arguments import check_floating, check_tensor, dimension, floating, in_float32
from minigrad.ops.choice import clamp, where
from minigrad.ops.joining import chunk
from minigrad.ops.pointwise import abs, expm1, sigmoid, tanh
from minigrad.tensor import Tensor

__all__ = [
    "celu",
    "glu",
    "hardshrink",
    "hardtanh",
    "logsigmoid",
    "mish",
    "prelu",
    "softmin",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Apply x where x > 0, else ``alpha * (exp(x / alpha) - 1)``, to every element.

    Args:
        input: a floating-point tensor of any shape.
        alpha: minus the limit at minus infinity; not 0.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Barron, "Continuously differentiable exponential linear units" (2017).

    Examples:
        >>> F.celu(mg.tensor([-1.0, 0.0, 1.0]), alpha=2.0)
        tensor([-0.7869,  0.0000,  1.0000])
    """
    check_floating("celu", "input", input)
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0")
    return maybe_in_place(lambda x: where(x > 0, x, expm1(clamp(x / alpha, max=0)) * alpha), input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``x * tanh(log(1 + exp(x)))`` to every element.

    Args:
        input: a floating-point tensor of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Misra, "Mish: a self regularized non-monotonic activation function" (2019).

    Examples:
        >>> F.mish(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.3034,  0.0000,  0.8651])
    """
    check_floating("mish", "input", input)
    return maybe_in_place(lambda x: x * tanh(log1p_exp(x)), input, inplace)


def softsign(input: Tensor) -> Tensor:
    """Apply ``x / (1 + |x|)`` to every element.

    Args:
        input: a tensor of numbers of any shape.

    Examples:
        >>> F.softsign(mg.tensor([-1.0, 0.0, 3.0]))
        tensor([-0.5000,  0.0000,  0.7500])
    """
    input = floating("softsign", input)
    return input / (abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Apply ``x - tanh(x)`` to every element.

    Args:
        input: a tensor of numbers of any shape.

    Examples:
        >>> F.tanhshrink(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2384,  0.0000,  0.2384])
    """
    input = floating("tanhshrink", input)
    return input - tanh(input)


@in_float32
def logsigmoid(input: Tensor) -> Tensor:
    """Apply ``log(1 / (1 + exp(-x)))`` to every element, without overflow.

    Args:
        input: a floating-point tensor of any shape.

    Raises:
        RuntimeError: the input is not floating-point.

    Examples:
        >>> F.logsigmoid(mg.tensor([-200.0, 0.0]))
        tensor([-200.0000,   -0.6931])
    """
    check_floating("logsigmoid", "input", input)
    return -log1p_exp(-input)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Keep the elements whose size exceeds a bound, and make the others 0.

    Args:
        input: a floating-point tensor of any shape.
        lambd: the bound.

    Raises:
        RuntimeError: the input is not floating-point.

    Examples:
        >>> F.hardshrink(mg.tensor([-1.0, 0.3, 0.6]))
        tensor([-1.0000,  0.0000,  0.6000])
    """
    check_floating("hardshrink", "input", input)
    return where(abs(input) <= lambd, 0.0, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Draw every element towards 0 by a bound, and make those within it 0.

    Args:
        input: a floating-point tensor of any shape.
        lambd: the bound, at least 0.

    Raises:
        RuntimeError: the input is not floating-point.

    Examples:
        >>> F.softshrink(mg.tensor([-1.0, 0.3, 0.6]))
        tensor([-0.5000,  0.0000,  0.1000])
    """
    check_floating("softshrink", "input", input)
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}.")
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, 0.0 * input))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Cut every element to an interval; the derivative at its ends is 0.

    Args:
        input: a tensor of numbers of any shape.
        min_val, max_val: the interval.
        inplace: overwrite `input` and return it.

    Raises:
        ValueError: the interval is empty.

    Examples:
        >>> F.hardtanh(mg.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if check_tensor("hardtanh", "input", input).dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return maybe_in_place(lambda x: where(x <= min_val, min_val, where(x >= max_val, max_val, x)), input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Keep the elements above a threshold, and replace the others.

    Args:
        input: a tensor of numbers of any shape.
        threshold: what an element must exceed.
        value: what takes the place of the others.
        inplace: overwrite `input` and return it.

    Examples:
        >>> F.threshold(mg.tensor([-1.0, 0.3, 0.6]), 0.5, 9.0)
        tensor([9.0000, 9.0000, 0.6000])
    """
    check_tensor("threshold", "input", input)
    return maybe_in_place(lambda x: where(x > threshold, x, value), input, inplace)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DTypeLike | None = None) -> Tensor:
    """Turn numbers into probabilities, the smallest into the largest: ``softmax(-x)``.

    Args:
        input: a floating-point tensor of any shape.
        dim: the dimension whose elements sum to 1 afterwards; None as for `softmax`.
        dtype: cast the input to it first.

    Raises:
        RuntimeError: the input is not floating-point.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> F.softmin(mg.tensor([0.0, 0.0, 1000.0]), dim=0)
        tensor([0.5000, 0.5000, 0.0000])
    """
    check_tensor("softmin", "input", input)
    input = input if dtype is None else input.to(dtype)
    check_floating("softmin", "input", input)
    return softmax(-input, dim, _stacklevel + 1, dtype)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Multiply one half of a dimension by the sigmoid of the other: ``a * sigmoid(b)``.

    Args:
        input: a floating-point tensor of an even size along `dim`.
        dim: the dimension that is halved.

    Raises:
        RuntimeError: the input is not floating-point.
            The halved size is odd.
        IndexError: there is no dimension `dim`.

    Source: Dauphin et al., "Language modeling with gated convolutional networks" (2016).

    Examples:
        >>> F.glu(mg.tensor([1.0, 2.0, 0.0, 1000.0]))
        tensor([0.5000, 2.0000])
    """
    check_floating("glu", "input", input)
    size = input.shape[dimension("glu", dim, input.ndim)] if input.ndim else 0
    if input.ndim == 0 or size % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {size}")
    first, second = chunk(input, 2, dim)
    return first * sigmoid(second)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Apply x where x > 0, else ``weight * x``, with a slope that is learned.

    Args:
        input: a floating-point tensor (N, C, ...), or of any shape with one slope.
        weight: (1,), or (C,) with a slope for each channel.

    Raises:
        RuntimeError: the input is not floating-point.
            The slopes are of another number than the channels.

    Source: He et al., "Delving deep into rectifiers" (2015).

    Examples:
        >>> F.prelu(mg.tensor([[-2.0, 4.0]]), mg.tensor([0.5, 0.1]))
        tensor([[-1.,  4.]])
    """
    check_floating("prelu", "input", input)
    check_floating("prelu", "weight", weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} "
            f"and channel size = {channels}."
        )
    slope = weight.reshape([1, -1] + [1] * (input.ndim - 2)) if input.ndim > 1 else weight.reshape([])
    return where(input > 0, input, input * slope)
