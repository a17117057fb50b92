"""Random tensors and fills, drawn from a `Generator`: the same seed gives the same numbers on every device.

A draw reserves as many blocks of the generator's stream as it uses, so no two draws share a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.device import arrays_on, to_device
from minigrad.device import device as Device
from minigrad.generator import Generator, default_generator
from minigrad.kernels import assertions, implementation, philox
from minigrad.ops.arguments import broadcast_shapes, check_floating, check_same_device, check_tensor, sizes
from minigrad.tensor import Tensor, from_array

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
]

# From here on the compiled kernel is quicker even if Numba has to be loaded for it; the numbers are the same.
LARGE = 1 << 18
PIECE = 1 << 17  # numbers drawn at a time: 512 KiB of float32


def _draw(distribution: str, count: int, dtype: Any, generator: Generator | None, device: Any = None) -> Any:
    """`count` numbers of a distribution of the Philox kernels, "uniform" or "normal", on `device` (None: the CPU)."""
    wide, seed, offset = reserve(count, dtype, generator, device)
    values = getattr(kernels(count, device), distribution)(count, seed, offset, wide)
    return values.astype(dtype, copy=False)


def reserve(count: int, dtype: Any, generator: Generator | None, on: Any) -> tuple[Any, Any, int]:
    """The type in which numbers for `dtype` are drawn, and where in the stream `count` of them begin: seed, offset."""
    wide = np.float64 if dtype == np.float64 else np.float32
    return wide, *_generator(generator).reserve(philox.reference.blocks(count, wide), on)


def _words(count: int, generator: Generator | None, device: Any = None) -> Any:
    """`count` random 64-bit words."""
    seed, offset = _generator(generator).reserve(philox.reference.blocks(count, np.uint64), device)
    return kernels(count, device).random_bits(2 * count, seed, offset).view(np.uint64)


def kernels(count: int, device: Any) -> Any:
    if device is not None and Device(device).type == "cuda":
        return implementation("philox", arrays_on(device).empty(0))
    return philox.reference if count < LARGE else implementation("philox", np.empty(0))


def _generator(generator: Generator | None) -> Generator:
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"generator: expected a minigrad.Generator or None, got {type(generator).__name__}")
    return generator


def _floating_dtype(operation: str, dtype: Any) -> np.dtype:
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.check_dtype(operation, dtype)
    if dtype.kind != "f":
        raise RuntimeError(f"{operation}: expected a floating point dtype, got {dtype}")
    return dtype


def _size(operation: str, size: Sequence[Any]) -> tuple[int, ...]:
    shape = sizes(operation, size)
    if any([n < 0 for n in shape]):
        raise RuntimeError(f"{operation}: negative dimensions are not allowed, got {list(shape)}")
    return shape


def _filled(
    operation: str,
    distribution: str,
    size: Sequence[Any],
    generator: Generator | None,
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    shape, dtype = _size(operation, size), _floating_dtype(operation, dtype)
    return from_array(_draw(distribution, math.prod(shape), dtype, generator, device).reshape(shape), requires_grad)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw numbers uniformly from [0, 1).

    Args:
        size: the shape, as integers or one sequence.
        generator: where the random numbers come from; None means minigrad's default generator (see `manual_seed`).
        dtype, device, requires_grad: as for `tensor`; the dtype must be of floating-point numbers.

    Raises:
        RuntimeError: a size is negative, or the dtype is not floating-point.

    Examples:
        >>> x = mg.rand(1000)
        >>> bool((x >= 0).all() & (x < 1).all()), round(x.mean().item(), 1)
        (True, 0.5)
    """
    return _filled("rand", "uniform", size, generator, dtype, device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw numbers from the normal distribution with mean 0 and variance 1.

    Args:
        size: the shape, as integers or one sequence.
        generator: where the random numbers come from; None means minigrad's default generator (see `manual_seed`).
        dtype, device, requires_grad: as for `tensor`; the dtype must be of floating-point numbers.

    Raises:
        RuntimeError: a size is negative, or the dtype is not floating-point.

    Examples:
        The same seed gives the same numbers, on every device.

        >>> x = mg.randn(2, 3, generator=mg.Generator().manual_seed(1))
        >>> mg.equal(x, mg.randn(2, 3, generator=mg.Generator().manual_seed(1)))
        True
    """
    return _filled("randn", "normal", size, generator, dtype, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw uniformly from [0, 1), in the shape of another tensor.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        generator, dtype, device, requires_grad: as for `rand`.

    Raises:
        RuntimeError: the dtype is not floating-point.

    Examples:
        >>> mg.rand_like(mg.zeros(2, 3)).shape
        (2, 3)
    """
    check_tensor("rand_like", "input", input)
    where = input.device if device is None else device
    return _filled("rand_like", "uniform", input.shape, generator, dtype or input.dtype, where, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the standard normal distribution, in the shape of another tensor.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        generator, dtype, device, requires_grad: as for `rand`.

    Raises:
        RuntimeError: the dtype is not floating-point.

    Examples:
        >>> mg.randn_like(mg.zeros(2, 3)).shape
        (2, 3)
    """
    check_tensor("randn_like", "input", input)
    where = input.device if device is None else device
    return _filled("randn_like", "normal", input.shape, generator, dtype or input.dtype, where, requires_grad)


def randint(
    low: int | None = None,
    high: int | Sequence[int] | None = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw integers uniformly from low, ..., high - 1.

    Args:
        low: the smallest value; ``randint(high, size)`` starts at 0.
        high: the bound, not included.
        size: the shape.
        generator: as for `rand`.
        dtype, device, requires_grad: as for `tensor`; the dtype is int64.

    Raises:
        TypeError: `high` or `size` is missing or of the wrong type.
        RuntimeError: `low` is not below `high`, a size is negative, or the dtype cannot hold the range.

    Examples:
        >>> x = mg.randint(5, 8, (100,))
        >>> x.min(), x.max()
        (tensor(5), tensor(7))
    """
    if size is None and isinstance(high, Sequence):
        high, size = None, high
    if high is None:
        low, high = 0, low
    if not isinstance(size, Sequence) or not isinstance(high, int | np.integer):
        raise TypeError(f"randint: expected randint([low,] high, size), got high={high!r} and size={size!r}")
    dtype = dtypes.int64 if dtype is None else dtypes.check_dtype("randint", dtype)
    low, high = int(low or 0), int(high)
    if low >= high:
        raise RuntimeError(f"randint: expects low to be less than high, but got low={low} >= high={high}")
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= low < high <= np.iinfo(dtype).max + 1:
        raise RuntimeError(f"randint: the range [{low}, {high}) does not fit into {dtype}")
    shape = _size("randint", size)
    steps = _high_product(_words(math.prod(shape), generator, device), high - low)
    values = (steps + np.uint64(low % 2**64)).view(np.int64)  # modulo 2^64, so that low may be negative
    return from_array(values.astype(dtype).reshape(shape), requires_grad)


def _high_product(words: Any, n: int) -> Any:
    """floor(words n / 2^64): the words scaled down to [0, n), 2^64 / n words, give or take one, for each."""
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    word_high, word_low = words >> half, words & low
    n_high, n_low = np.uint64(n >> 32), np.uint64(n & 0xFFFFFFFF)
    cross = word_high * n_low + (word_low * n_low >> half)
    return word_high * n_high + (cross >> half) + (word_low * n_high + (cross & low) >> half)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw a random order of the integers 0, ..., n - 1, all orders being equally likely.

    Args:
        n: how many.
        generator: as for `rand`.
        dtype, device, requires_grad: as for `tensor`; the dtype is int64.

    Raises:
        TypeError: `n` is not an int.
        RuntimeError: `n` is negative.

    Examples:
        >>> mg.randperm(5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"randperm: n must be an int, got {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    dtype = dtypes.int64 if dtype is None else dtypes.check_dtype("randperm", dtype)
    order = _words(n, generator, device).argsort(kind="stable").astype(dtype, copy=False)
    return from_array(order, requires_grad)


def trials(operation: str, p: Any, shape: tuple[int, ...], dtype: Any, generator: Generator | None, device: Any) -> Any:
    """True with probability `p`, a number or an array of numbers on `device`, in each place."""
    wrong = f"{operation}: expected probabilities between 0 and 1"
    if isinstance(p, np.ndarray | np.generic | int | float):
        values = np.asarray(p).reshape(-1)
        outside = ~((values >= 0) & (values <= 1))  # True for NaN too
        if outside.any():
            raise RuntimeError(f"{wrong}, got {values[outside][0]}")
    else:
        assertions.expect_none(~((p >= 0) & (p <= 1)), RuntimeError, wrong)
    return _draw("uniform", math.prod(shape), dtype, generator, device).reshape(shape) < p


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Draw 1 with a given probability, else 0.

    Args:
        input: the probability of each element; with `p`, it gives shape and dtype only.
        p: one probability for all elements.
        generator: as for `rand`.

    Raises:
        RuntimeError: a probability is outside [0, 1], or `input` is not floating-point and there is no `p`.

    Examples:
        >>> mg.bernoulli(mg.tensor([0.0, 1.0, 1.0]))
        tensor([0., 1., 1.])
    """
    check_tensor("bernoulli", "input", input)
    if p is None:
        p = check_floating("bernoulli", "input", input).array
    dtype = input.dtype if input.dtype.kind == "f" else dtypes.float32
    drawn = trials("bernoulli", p, input.shape, dtype, generator, input.device)
    return from_array(drawn.astype(input.dtype))


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from normal distributions of given means and standard deviations.

    Args:
        mean, std: numbers for all elements, or tensors whose shapes broadcast.
        size: the shape, if both are numbers.
        generator: as for `rand`.
        dtype, device, requires_grad: as for `tensor`; a tensor's dtype and device come first.

    Raises:
        TypeError: `size` is missing, or given beside tensors.
        RuntimeError: a standard deviation or a size is negative, or the shapes do not broadcast.

    Examples:
        >>> x = mg.normal(5.0, 2.0, (10000,))
        >>> round(x.mean().item()), round(x.std().item())
        (5, 2)
    """
    given = [value.detach() for value in (mean, std) if isinstance(value, Tensor)]
    mean, std = (value.detach() if isinstance(value, Tensor) else value for value in (mean, std))
    if given and size is not None:
        raise TypeError("normal: size goes with numbers; tensors of means or standard deviations have their own")
    deviation = std.array if isinstance(std, Tensor) else np.asarray(std)
    if not isinstance(deviation, np.ndarray):
        assertions.expect_none(deviation < 0, RuntimeError, "normal: expects std >= 0")
    elif np.any(deviation < 0):
        raise RuntimeError("normal: expects std >= 0")
    if given:
        check_same_device("normal", *given)
        shape = broadcast_shapes("normal", *[value.shape for value in given])
        dtype, device = given[0].dtype, given[0].device
    elif size is None:
        raise TypeError("normal: size is needed where mean and std are both numbers")
    else:
        shape = tuple(size)
    z = _filled("normal", "normal", shape, generator, dtype, device, False)
    return (z * std + mean).requires_grad_(requires_grad)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Draw indices with probabilities proportional to weights.

    Each weight gets an exponentially distributed arrival time; the order of arrival is that of drawing without
    replacement, and the first arrival is a draw with replacement.

    Args:
        input: the weights (n,) or (rows, n), finite and not negative; they need not sum to 1.
        num_samples: how many draws; the result is (num_samples,) or (rows, num_samples).
        replacement: whether an index can be drawn twice.
        generator: as for `rand`.

    Raises:
        RuntimeError: a weight is negative or not finite, all are 0, more distinct draws are asked than there are
            nonzero weights, or the dimensions do not fit.

    Examples:
        >>> mg.multinomial(mg.tensor([0.0, 1.0, 0.0, 3.0]), 2).sort().values
        tensor([1, 3])
    """
    check_floating("multinomial", "input", input)
    weights = input.cpu().array
    if weights.ndim not in (1, 2) or weights.shape[-1] == 0:
        raise RuntimeError(f"multinomial: expected weights of 1 or 2 dimensions, got shape {list(input.shape)}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not (weights.sum(-1) > 0).all():
        raise RuntimeError("multinomial: the weights must be finite and non-negative, with a sum above 0")
    available = int(np.count_nonzero(weights, axis=-1).min())
    if num_samples <= 0 or (not replacement and num_samples > available):
        raise RuntimeError(f"multinomial: cannot draw {num_samples} samples from {available} nonzero weights")
    races = num_samples if replacement else 1
    times = -np.log1p(-_draw("uniform", races * weights.size, np.float64, generator))
    with np.errstate(divide="ignore"):
        arrivals = times.reshape(races, *weights.shape) / weights
    arrivals[:, weights == 0] = np.inf
    indices = np.moveaxis(arrivals.argmin(-1), 0, -1) if replacement else arrivals[0].argsort(-1)[..., :num_samples]
    return from_array(to_device(indices, input.device))
