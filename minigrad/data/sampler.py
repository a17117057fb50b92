"""Samplers: the order in which the samples of a data set are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from minigrad.generator import Generator
from minigrad.ops.random import rand, randint, randperm

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base class: define `__iter__`, which yields the indices of one epoch, and `__len__`, their number.

    The samplers here draw all random numbers of an epoch at its beginning, from one generator: its state at that
    moment suffices to repeat the epoch.

    Examples:
        >>> class EvenFirst(mg.data.Sampler):
        ...     def __iter__(self):
        ...         return iter([0, 2, 4, 1, 3])
        >>> data = mg.data.TensorDataset(mg.arange(5))
        >>> [x.item() for (x,) in mg.data.DataLoader(data, sampler=EvenFirst())]
        [0, 2, 4, 1, 3]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler[int]):
    """Yield the indices 0, 1, 2, ... of a data set.

    Args:
        data_source: the data set, or anything else with a length.

    Examples:
        >>> list(mg.data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Yield a random permutation of the indices, or with `replacement` independent draws.

    Args:
        data_source: the data set, or anything else with a length.
        replacement: whether an index can be drawn twice.
        num_samples: how many indices to draw; None means as many as there are samples. More than that are taken from
            one permutation after another.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        TypeError: `replacement` is not a bool.
        ValueError: `num_samples` is not a positive int.

    Examples:
        >>> sorted(mg.data.RandomSampler("abcd"))
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self.generator = generator
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement should be a boolean value, but got replacement={replacement}")
        check_positive(self, "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """The number of indices in an epoch; computed at each call, since a data set may grow."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            yield from randint(0, size, (wanted,), generator=self.generator).tolist()
            return
        permutations = [randperm(size, generator=self.generator).tolist() for _ in range(0, wanted, size)]
        for start, permutation in zip(range(0, wanted, size), permutations, strict=True):
            yield from permutation[: wanted - start]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Yield a random permutation of the given indices.

    Args:
        indices: the indices.
        generator: where the random numbers come from; None means the default generator.

    Examples:
        >>> sorted(mg.data.SubsetRandomSampler([3, 5, 7]))
        [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Yield indices drawn in proportion to weights: for instance to see rare classes as often as common ones.

    Without replacement, each index gets an exponentially distributed arrival time, whose rate is its weight, and
    the first `num_samples` arrivals are taken.

    Args:
        weights: a number for each index, not negative.
        num_samples: how many indices to draw.
        replacement: whether an index can be drawn twice.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: `weights` is not one-dimensional, or `num_samples` is not a positive int.
        RuntimeError: a weight is negative or not finite, all are 0, or there are too few for draws without replacement.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006).

    Examples:
        >>> sorted(mg.data.WeightedRandomSampler([0.0, 1.0, 2.0], num_samples=2, replacement=False))
        [1, 2]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        check_positive(self, "num_samples", num_samples)
        check_bool(self, "replacement", replacement)
        array = np.asarray(weights, dtype=np.float64)
        if array.ndim != 1:
            raise ValueError(
                f"WeightedRandomSampler: weights should be a 1d sequence but given weights have shape {array.shape}"
            )
        if not np.all(np.isfinite(array)) or np.any(array < 0):
            raise RuntimeError("WeightedRandomSampler: weights contain either inf, nan or element < 0")
        if array.sum() <= 0:
            raise RuntimeError("WeightedRandomSampler: invalid weights (sum of weights <= 0)")
        possible = np.count_nonzero(array)
        if not replacement and num_samples > possible:
            raise RuntimeError(
                f"WeightedRandomSampler: cannot draw {num_samples} samples without replacement from "
                f"{possible} with a positive weight"
            )
        self.weights = array
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        if self.replacement:
            bounds = np.cumsum(self.weights)
            draws = rand(self.num_samples, dtype=np.float64, generator=self.generator).array
            chosen = np.searchsorted(bounds, draws * bounds[-1], side="right")
            # Rounding may carry a draw to the very end, past a last index of weight 0.
            last = np.flatnonzero(self.weights)[-1]
            return iter(np.minimum(chosen, last).tolist())
        draws = rand(len(self.weights), dtype=np.float64, generator=self.generator).array
        with np.errstate(divide="ignore"):
            rings = -np.log1p(-draws) / self.weights
        rings[self.weights == 0] = np.inf
        return iter(np.argsort(rings, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Yield lists of indices of another sampler.

    Args:
        sampler: the sampler, or another iterable of indices.
        batch_size: the length of the lists.
        drop_last: leave out a last list that is shorter.

    Raises:
        ValueError: `batch_size` is not a positive int, or `drop_last` is not a bool.

    Examples:
        >>> list(mg.data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool):
        check_positive(self, "batch_size", batch_size)
        check_bool(self, "drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        size = len(self.sampler)  # type: ignore[arg-type]
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)


def check_positive(owner: object, name: str, value: int) -> None:
    """Refuse a count that is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{type(owner).__name__}: {name} should be a positive integer value, but got {name}={value}")


def check_bool(owner: object, name: str, value: bool) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise ValueError(f"{type(owner).__name__}: {name} should be a boolean value, but got {name}={value}")
