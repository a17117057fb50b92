"""Making a batch of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.device import array_module
from minigrad.ops.convert import pin_memory
from minigrad.ops.creation import tensor
from minigrad.ops.joining import stack
from minigrad.tensor import Tensor, from_array


def default_collate(batch: Sequence[Any]) -> Any:
    """Put a list of samples together: each number or array in them becomes a tensor, batch dimension first.

    Tensors and arrays are stacked (gradients pass through), Python floats become float64 and integers int64 tensors,
    strings stay as they are. Dictionaries and sequences are put together entry by entry, in a container of the first
    sample's type: a copy of it where it can be written to, so that its other attributes stay too. A tuple becomes a
    list, a named tuple one of its kind. The keys are the first sample's; others may have more.

    Args:
        batch: the samples.

    Raises:
        ValueError: `batch` is empty.
        RuntimeError: tensors of different shapes, or sequences of different lengths.
        KeyError: a sample lacks a key of the first.
        TypeError: samples of any other type.

    Examples:
        >>> mg.data.default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
        {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    if len(batch) == 0:
        raise ValueError("default_collate: expected at least one sample, got an empty batch")
    first = batch[0]
    if isinstance(first, Tensor):
        _check_shapes(batch)
        if any(sample.requires_grad or sample.dtype != first.dtype for sample in batch):
            return stack(batch)
        # as it was made by a data set, at a tenth of the time
        return from_array(array_module(first.array).stack([sample.array for sample in batch]))
    if isinstance(first, np.ndarray | np.generic) and first.dtype in dtypes.SUPPORTED:
        arrays = [np.asarray(sample) for sample in batch]
        _check_shapes(arrays)
        return from_array(np.stack(arrays))
    if isinstance(first, bool | int | float):
        return tensor(batch, dtype=dtypes.float64 if isinstance(first, float) else None)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([_entry(sample, key) for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise RuntimeError(
                f"default_collate: each element in list of batch should be of equal size, got sizes {sorted(lengths)}"
            )
        return _like(first, [default_collate(column) for column in zip(*batch, strict=True)])
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {_type(first)}: return a tensor from the dataset (or a transform), or give a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """Replace NumPy arrays inside `data` by tensors: what the loader does to single samples.

    Examples:
        >>> import numpy as np
        >>> mg.data.default_convert({"x": np.ones(2, np.float32), "name": "a"})
        {'x': tensor([1., 1.]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray | np.generic) and data.dtype in dtypes.SUPPORTED:
        return from_array(np.asarray(data))
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(entry) for entry in data])
    return data


def pin(batch: Any) -> Any:
    """The tensors inside `batch` in pinned memory, all else as it is; a batch's own `pin_memory` is called."""
    if isinstance(batch, Tensor):
        return batch if batch.is_cuda else pin_memory(batch)
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return _like(batch, {key: pin(value) for key, value in batch.items()})
    if type(batch) is tuple:
        return tuple(map(pin, batch))
    if isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        return _like(batch, [pin(entry) for entry in batch])
    return batch


def _entry(sample: Mapping[str, Any], key: Any) -> Any:
    try:
        return sample[key]
    except KeyError:
        raise KeyError(f"default_collate: a sample lacks the key {key!r}, which the first sample has") from None


def _check_shapes(arrays: Sequence[Any]) -> None:
    first = arrays[0].shape
    for i, array in enumerate(arrays):
        if array.shape != first:
            raise RuntimeError(
                f"default_collate: stack expects each tensor to be equal size, but got {list(first)} "
                f"at entry 0 and {list(array.shape)} at entry {i}"
            )


def _type(value: Any) -> str:
    return f"ndarray of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _like(original: Any, entries: Any) -> Any:
    """`entries` in a container like the original, where that can be made of them: as PyTorch does it, step by step."""
    kind: Callable[..., Any] = type(original)
    if isinstance(original, tuple):
        return kind(*entries) if hasattr(original, "_fields") else entries
    try:
        if isinstance(original, MutableMapping):
            clone: Any = copy.copy(original)
            clone.update(entries)
            return clone
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for i, entry in enumerate(entries):
                clone[i] = entry
            return clone
        return kind(entries)
    except TypeError:  # a class that cannot be copied, written to, or made of its entries
        return entries
