"""Random numbers written into a tensor that exists."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.inplace import check_writable, write
from minigrad.generator import Generator
from minigrad.kernels import philox
from minigrad.ops.arguments import check_floating, check_same_device, check_tensor
from minigrad.ops.random import PIECE, kernels, reserve, trials
from minigrad.tensor import Tensor, from_array


def uniform_(input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with numbers drawn uniformly from an interval, in place.

    Args:
        input: the tensor.
        from_, to: the interval's ends.
        generator: as for `rand`.

    Raises:
        RuntimeError: the ends are in the wrong order, or `input` is not floating-point or cannot be written in place.

    Examples:
        >>> x = mg.empty(1000).uniform_(-1, 1)
        >>> x.min().round(), x.max().round()
        (tensor(-1.), tensor(1.))
    """
    check_floating("uniform_", "input", input)
    check_writable(input)
    if not from_ <= to:
        raise RuntimeError(f"uniform_: expects to return a [from, to) range, but found from={from_} > to={to}")
    return _fill_with(input, "uniform", to - from_, from_, generator)


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with normally distributed numbers, in place.

    Args:
        input: the tensor.
        mean, std: mean and standard deviation.
        generator: as for `rand`.

    Raises:
        RuntimeError: `std` is negative, or `input` is not floating-point or cannot be written in place.

    Examples:
        >>> mg.empty(10000).normal_(std=3).std().round()
        tensor(3.)
    """
    check_floating("normal_", "input", input)
    check_writable(input)
    if not std >= 0:
        raise RuntimeError(f"normal_: expects std >= 0, but found std {std}")
    return _fill_with(input, "normal", std, mean, generator)


def bernoulli_(input: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with 1 (with probability `p`) and 0, in place.

    Args:
        input: the tensor.
        p: the probability, or a tensor of them that broadcasts to `input`.
        generator: as for `rand`.

    Raises:
        RuntimeError: a probability is outside [0, 1], or `input` cannot be written in place.

    Examples:
        >>> mg.empty(3).bernoulli_(1.0)
        tensor([1., 1., 1.])
    """
    check_tensor("bernoulli_", "input", input)
    check_writable(input)
    probability: Any = p
    if isinstance(p, Tensor):
        check_same_device("bernoulli_", input, check_floating("bernoulli_", "p", p))
        probability = p.array
    dtype = input.dtype if input.dtype.kind == "f" else dtypes.float32
    drawn = trials("bernoulli_", probability, input.shape, dtype, generator, input.device)
    return _fill(input, drawn.astype(input.dtype))


def _fill_with(input: Tensor, distribution: str, scale: float, shift: float, generator: Generator | None) -> Tensor:
    """Write scale * number + shift into all elements, piece by piece: the pieces of a large draw stay in the cache."""
    count = input.numel()
    wide, seed, offset = reserve(count, input.dtype, generator, input)
    draw = getattr(kernels(count, input.device), distribution)
    if input.is_cuda:
        return _fill(input, draw(count, seed, offset, wide) * wide(scale) + wide(shift))
    array: Any = input.array
    recorded = is_grad_enabled() and input.requires_grad
    straight = isinstance(array, np.ndarray) and array.flags.c_contiguous and not recorded
    values = array.reshape(count) if straight else np.empty(count, input.dtype)
    for start in range(0, count, PIECE):
        numbers = draw(min(PIECE, count - start), seed, offset + philox.reference.blocks(start, wide), wide)
        values[start : start + PIECE] = numbers * wide(scale) + wide(shift)
    if straight:
        input._bump_version()
        return input
    return _fill(input, values)


def _fill(input: Tensor, values: Any) -> Tensor:
    return write(input, from_array(values.reshape(input.shape)))
