"""From indices to a batch, in the loader's process or in its workers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from minigrad.data.collate import default_collate
from minigrad.data.dataset import IterableDataset

# What a fetch returns when an iterable data set has nothing more to give.
END = object()


def fetcher(dataset: Any, collate_fn: Callable[..., Any], batched: bool, drop_last: bool) -> Callable[[Any], Any]:
    """The function that turns a list of indices (one index, if not `batched`) into a batch.

    Of an iterable data set it takes as many samples as there are indices, whatever they are.
    """
    if not isinstance(dataset, IterableDataset):
        return lambda indices: _fetch(dataset, collate_fn, batched, indices)
    samples = iter(dataset)

    def fetch_next(indices: Any) -> Any:
        if not batched:
            sample = next(samples, END)
            return END if sample is END else collate_fn(sample)
        batch = list(islice(samples, len(indices)))
        if not batch or (drop_last and len(batch) < len(indices)):
            return END
        return collate_fn(batch)

    return fetch_next


def _fetch(dataset: Any, collate_fn: Callable[..., Any], batched: bool, indices: Any) -> Any:
    if not batched:
        return collate_fn(dataset[indices])
    getbatch = getattr(dataset, "__getbatch__", None)
    if getbatch is not None and collate_fn is default_collate:
        batch = getbatch(indices)
        if batch is not NotImplemented:
            return batch
    getitems = getattr(dataset, "__getitems__", None)
    return collate_fn(getitems(indices) if getitems else [dataset[index] for index in indices])
