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
    """Base class of data sets with random access: define `__getitem__` and `__len__`.

    Two more methods make batches faster, where a data set has them:

    - `__getitems__(indices)` returns a list of samples, as in PyTorch;
    - `__getbatch__(indices)` returns the whole batch, as `default_collate` would make it of the samples, or
      NotImplemented where it cannot. The loader asks it first, unless it has a `collate_fn`.

    Examples:
        >>> class Squares(mg.data.Dataset):
        ...     def __len__(self):
        ...         return 4
        ...
        ...     def __getitem__(self, index):
        ...         return index, index**2
        >>> for x, y in mg.data.DataLoader(Squares(), batch_size=2):
        ...     print(x, y)
        tensor([0, 1]) tensor([0, 1])
        tensor([2, 3]) tensor([4, 9])
    """

    def __getitem__(self, index: int) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base class of data sets that can only be iterated over: define `__iter__`.

    Each worker process iterates over a copy of its own, and must choose its share by `get_worker_info()`.

    Examples:
        >>> class Stream(mg.data.IterableDataset):
        ...     def __iter__(self):
        ...         yield from [1.0, 2.0, 3.0]
        >>> list(mg.data.DataLoader(Stream(), batch_size=2))
        [tensor([1., 2.], dtype=float64), tensor([3.], dtype=float64)]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Combine tensors: sample i is the tuple of their i-th entries.

    Args:
        tensors: tensors with the same first size.

    Raises:
        ValueError: there is none, or the first sizes differ.
        TypeError: one is not a tensor, or is 0-d.

    Examples:
        >>> data = mg.data.TensorDataset(mg.tensor([[1, 2], [3, 4]]), mg.tensor([0, 1]))
        >>> data[1]
        (tensor([3, 4]), tensor(1))
    """

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
    """Choose the samples of a data set at given indices.

    Args:
        dataset: the data set.
        indices: the indices.

    Examples:
        >>> data = mg.data.Subset("abcd", [3, 0])
        >>> data[0], data[1]
        ('d', 'a')
    """

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
    """Join data sets one after another.

    Args:
        datasets: an iterable of them.

    Attributes:
        cumulative_sizes: the index at which each of them ends.

    Raises:
        ValueError: there is none, or one is an IterableDataset.

    Examples:
        >>> data = mg.data.ConcatDataset(["ab", "cde"])
        >>> len(data), data[2], data.cumulative_sizes
        (5, 'c', [2, 5])
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]):
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
    """Split a data set at random into disjoint subsets.

    Args:
        dataset: the data set.
        lengths: the sizes of the subsets; or fractions that sum to 1, which are rounded down, and what is left goes to
            the subsets in turn.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: the lengths do not sum to the size of the data set, or one is negative.

    Examples:
        >>> [len(part) for part in mg.data.random_split(range(10), [0.8, 0.2])]
        [8, 2]
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
