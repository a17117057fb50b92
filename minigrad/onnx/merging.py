"""One graph for batches of every size, from runs on batches of several.

What is the same in all runs is a constant, and a whole number that is not may be a `Size`. Anything else that differs
is computed from the inputs in a way that no operation tells, and is refused: the file would freeze it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.device import to_device
from minigrad.onnx.recording import Call, Recording, Value
from minigrad.onnx.sizes import fit
from minigrad.tensor import Tensor, from_array


class Merger:
    """Merges runs, each on a batch of the size that `batches` has in its place."""

    def __init__(self, batches: Sequence[int], runs: Sequence[Recording]):
        self.batches, self.runs = batches, runs
        self.calls: list[Call] = []  # those that the outputs need
        self._values: dict[int, Value] = {}
        self._check_same_operations()
        self.inputs = tuple([self._value(*same) for same in zip(*[run.inputs for run in runs], strict=True)])
        needed = _needed(runs[0])
        for place, same in enumerate(zip(*[run.calls for run in runs], strict=True)):
            if place in needed:
                self._merge(*same)
        if len({tuple([value.index for value in run.outputs]) for run in runs}) > 1:
            raise ValueError("export: the model returns other results for another input; ONNX has one graph for all")
        self.outputs = tuple([self._values[value.index] for value in runs[0].outputs])

    def _check_same_operations(self) -> None:
        for batch, run in zip(self.batches, self.runs, strict=True):
            for ours, theirs in zip([*self.runs[0].calls, None], [*run.calls, None], strict=False):
                if (ours and (ours.operation, len(ours.arguments))) != (
                    theirs and (theirs.operation, len(theirs.arguments))
                ):
                    raise ValueError(
                        f"export: the model does other operations for another input: {ours or 'nothing more'} for "
                        f"{self.batches[0]} in a batch, {theirs or 'nothing more'} for {batch}; ONNX has one graph for "
                        "all"
                    )

    def _merge(self, *same: Call) -> None:
        call = same[0]
        arguments = tuple(
            [self._argument(call, versions) for versions in zip(*[c.arguments for c in same], strict=True)]
        )
        results = tuple([self._value(*versions) for versions in zip(*[c.results for c in same], strict=True)])
        self.calls.append(Call(call.operation, arguments, results, call.module, call.line))

    def _value(self, *same: Value) -> Value:
        """The value that has sizes in its shape."""
        value = same[0]
        shapes = [value.shape for value in same]
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"export: tensors of shapes {_words(shapes)} for batches of {_words(self.batches)}")
        sizes = [self._number(numbers) for numbers in zip(*shapes, strict=True)]
        if None in sizes:
            raise ValueError(
                f"export: a tensor is of shapes {_words([list(shape) for shape in shapes])} for batches of "
                f"{_words(self.batches)}: its size depends on the input's values, or on the batch's in an unknown way"
            )
        merged = self._values[value.index] = Value(value.index, tuple(sizes), value.dtype)
        return merged

    def _number(self, numbers: Sequence[int]) -> Any:
        return numbers[0] if len(set(numbers)) == 1 else fit(self.batches, numbers)

    def _argument(self, call: Call, same: Sequence[Any]) -> Any:
        first = same[0]
        if isinstance(first, Value):
            if any([not isinstance(value, Value) or value.index != first.index for value in same]):
                raise ValueError(f"export: {call} takes other operands for another input; ONNX has one graph for all")
            return self._values[first.index]
        if any([type(value) is not type(first) for value in same]):
            raise self._refusal(call, same)
        if isinstance(first, Tensor):
            return self._constant(call, [tensor.array for tensor in same])
        if hasattr(first, "__array__") and first.ndim:
            if not _all_equal(same):
                raise self._hidden(call, first.shape)
            return first
        if isinstance(first, slice):
            parts = [(part.start, part.stop, part.step) for part in same]
            return slice(*self._argument(call, parts))
        if isinstance(first, tuple | list):
            if len({len(value) for value in same}) > 1:
                raise self._refusal(call, same)
            return tuple([self._argument(call, versions) for versions in zip(*same, strict=True)])
        if all([value == first or (value != value and first != first) for value in same]):
            return first
        size = fit(self.batches, same) if isinstance(first, int) and not isinstance(first, bool) else None
        if size is None:
            raise self._refusal(call, same)
        return size

    def _constant(self, call: Call, arrays: list[Any]) -> Tensor | Value:
        """A tensor that no operation on the inputs made; if it is as long as the batch, all its rows must be equal."""
        first = arrays[0]
        if all([array is first for array in arrays]) or _all_equal(arrays):
            return from_array(first)
        shapes = [array.shape for array in arrays]
        differ = [dim for dim in range(first.ndim) if len({shape[dim : dim + 1] for shape in shapes}) > 1]
        if len(differ) == 1 and len({len(shape) for shape in shapes}) == 1:
            dim = differ[0]
            size = self._number([shape[dim] for shape in shapes])
            row = first.take([0], axis=dim)
            if size is not None and all([_repeats(row, array) for array in arrays]):
                shape = (*first.shape[:dim], size, *first.shape[dim + 1 :])
                value = Value(-1 - len(self.calls), shape, from_array(first).dtype)
                self.calls.append(Call("Expand", (from_array(row), shape), (value,), call.module, call.line))
                return value
        raise self._hidden(call, first.shape)

    def _hidden(self, call: Call, shape: Sequence[int]) -> ValueError:
        return ValueError(
            f"export: {call} takes a tensor of shape {list(shape)} that depends on the input, but is made by no "
            "operation that ONNX could repeat"
        )

    def _refusal(self, call: Call, same: Sequence[Any]) -> ValueError:
        return ValueError(
            f"export: {call} has other arguments for another input: {_words(same)} for batches of "
            f"{_words(self.batches)}; they follow from the input in a way that ONNX cannot say"
        )


def _needed(run: Recording) -> set[int]:
    """The places of the calls from which the outputs follow."""
    maker = {value.index: place for place, call in enumerate(run.calls) for value in call.results}
    found: set[int] = set()
    pending: list[Any] = list(run.outputs)
    while pending:
        one = pending.pop()
        if isinstance(one, tuple):
            pending.extend(one)
        elif isinstance(one, Value) and one.index in maker and maker[one.index] not in found:
            found.add(maker[one.index])
            pending.extend(run.calls[maker[one.index]].arguments)
    return found


def _all_equal(arrays: Sequence[Any]) -> bool:
    first, *others = [np.asarray(to_device(array, "cpu")) for array in arrays]
    kind = "f" if first.dtype.kind == "f" else ""
    return all([np.array_equal(first, other, equal_nan=bool(kind)) for other in others])


def _repeats(row: Any, array: Any) -> bool:
    return _all_equal([array, np.broadcast_to(np.asarray(to_device(row, "cpu")), array.shape)])


def _words(things: Sequence[Any]) -> str:
    return ", ".join(map(str, things[:-1])) + f" and {things[-1]}"
