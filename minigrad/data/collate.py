"""How samples become a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.device import array_module
from minigrad.ops.convert import pin_memory
from minigrad.tensor import Tensor, from_array


def default_collate(batch: Sequence[Any]) -> Any:
    """Put a list of samples together: each number or array in them becomes a tensor, batch dimension first.

    Tensors and arrays are stacked, Python floats become float64 and integers int64 tensors, strings stay as
    they are; dictionaries, tuples and lists are put together entry by entry (a tuple becomes a list, as in
    PyTorch).
    """
    if len(batch) == 0:
        raise ValueError("default_collate: expected at least one sample, got an empty batch")
    first = batch[0]
    if isinstance(first, Tensor):
        return from_array(_stack([sample.array for sample in batch]))
    if isinstance(first, np.ndarray | np.generic) and first.dtype in dtypes.SUPPORTED:
        return from_array(_stack([np.asarray(sample) for sample in batch]))
    if isinstance(first, bool | int | float):
        return from_array(np.array(batch, dtype=np.float64 if isinstance(first, float) else None))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        for i, sample in enumerate(batch):
            if set(sample) != set(first):
                raise RuntimeError(
                    f"default_collate: expected the same keys in every sample, but got {sorted(first)} at entry 0 "
                    f"and {sorted(sample)} at entry {i}"
                )
        return _like(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise RuntimeError(
                f"default_collate: each element in list of batch should be of equal size, got sizes {sorted(lengths)}"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return columns if type(first) is tuple else _like(first, columns)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first).__name__}: return a tensor from the dataset (or a "
        "transform), or give a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """NumPy arrays inside `data` as tensors, all else as it is: what the loader does without batching."""
    if isinstance(data, np.ndarray | np.generic) and data.dtype in dtypes.SUPPORTED:
        return from_array(np.asarray(data))
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        entries = [default_convert(entry) for entry in data]
        return entries if type(data) is tuple else _like(data, entries)
    return data


def pin(batch: Any) -> Any:
    """The tensors inside `batch` in pinned memory, all else as it is; a batch's own `pin_memory` is called."""
    if isinstance(batch, Tensor):
        return batch if batch.is_cuda else pin_memory(batch)
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return _like(batch, {key: pin(value) for key, value in batch.items()})
    if isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        return _like(batch, [pin(entry) for entry in batch])
    return batch


def _stack(arrays: list) -> Any:
    first = arrays[0]
    for i, array in enumerate(arrays):
        if array.shape != first.shape:
            raise RuntimeError(
                f"default_collate: stack expects each tensor to be equal size, but got {list(first.shape)} "
                f"at entry 0 and {list(array.shape)} at entry {i}"
            )
    return array_module(first).stack(arrays)


def _like(original: Any, entries: Any) -> Any:
    """`entries` in a container of the original's type, where that can be made of them."""
    kind: Callable = type(original)
    try:
        return kind(*entries) if hasattr(original, "_fields") else kind(entries)
    except TypeError:
        return entries
