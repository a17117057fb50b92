"""Data sets: samples by index, or one after the other."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.generator import Generator
from minigrad.ops.random import randperm
from minigrad.tensor import Tensor, from_array

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base class of data sets that can give the sample of an index: define `__getitem__`, and `__len__`.

    Two more methods make batches fast, where a data set has them:

    - `__getitems__(indices)` returns a list of samples, as in PyTorch;
    - `__getbatch__(indices)` returns the whole batch, as `default_collate` would put it together from the
      samples, or NotImplemented where it cannot. The loader asks it first, unless given a `collate_fn`.
    """

    def __getitem__(self, index: int) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base class of data sets that can only be gone through: define `__iter__`.

    Each worker process goes through a copy of its own, and must pick its share by `get_worker_info()`.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors side by side: sample i is the tuple of their i-th entries."""

    def __init__(self, *tensors: Tensor):
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor) or tensor.ndim == 0:
                kind = "a 0-d tensor" if isinstance(tensor, Tensor) else type(tensor).__name__
                raise TypeError(f"TensorDataset: expected Tensors with a first dimension, but tensors[{i}] is {kind}")
        lengths = [tensor.shape[0] for tensor in tensors]
        if not tensors:
            raise ValueError("TensorDataset: expected at least one tensor")
        if len(set(lengths)) > 1:
            raise ValueError(f"TensorDataset: Size mismatch between tensors: they have {lengths} rows")
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> list[Tensor]:
        rows = from_array(np.asarray(indices, dtype=np.int64))
        return [tensor[rows] for tensor in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int | list[int]) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        getitems = getattr(self.dataset, "__getitems__", None)
        return getitems(chosen) if getitems else [self.dataset[i] for i in chosen]

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        getbatch = getattr(self.dataset, "__getbatch__", None)
        return getbatch([self.indices[i] for i in indices]) if getbatch else NotImplemented

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Data sets one behind the other.

    Attributes:
        cumulative_sizes: the index at which each of them ends.
    """

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets should not be an empty iterable")
        for i, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ValueError(f"ConcatDataset does not support IterableDataset, but datasets[{i}] is one")
        sizes = [len(dataset) for dataset in self.datasets]  # type: ignore[arg-type]
        self.cumulative_sizes = list(accumulate(sizes))

    def __getitem__(self, index: int) -> T_co:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        index %= size
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which > 0 else 0
        return self.datasets[which][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Split at random into disjoint subsets of these lengths.

    Fractions that add up to 1 are rounded down, and what is left over goes to the subsets in turn, one each.
    """
    size = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"random_split: Fraction at index {i} is not between 0 and 1, but {fraction}")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(f"random_split: the subset at index {i} is empty", stacklevel=2)
    else:
        counts = list(lengths)  # type: ignore[arg-type]
    if any(count < 0 for count in counts):
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if sum(counts) != size:
        raise ValueError(
            "random_split: Sum of input lengths does not equal the length of the input dataset: "
            f"{list(lengths)} for {size} samples"
        )
    order = randperm(size, generator=generator).tolist()
    return [Subset(dataset, order[end - count : end]) for end, count in zip(accumulate(counts), counts, strict=True)]
