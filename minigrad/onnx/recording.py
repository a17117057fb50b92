"""The tape of one forward pass, and what two of them tell: which sizes are the batch's, and what is constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd import no_grad
from minigrad.autograd.function import Function
from minigrad.nn.module import Module
from minigrad.record.observer import ModuleListener, start, stop
from minigrad.tensor import Tensor

OPEN = "batch"
"""In place of a number that follows the batch's size."""


@dataclass(frozen=True)
class Call:
    """An operation that ran on something that follows from the input."""

    operation: str  # the Function's name, or that of a function without a gradient
    arguments: tuple
    results: tuple[Tensor, ...]
    module: str  # path of the innermost module that was running

    def __str__(self) -> str:
        return f"{self.operation} in {self.module}" if self.module else self.operation


class Tape(ModuleListener):
    """Keeps the operations that follow from `inputs`, in order."""

    def __init__(self, inputs: tuple[Tensor, ...]):
        super().__init__()
        self.inputs = inputs
        self.calls: list[Call] = []
        # By the array's id, for detach() and the like give the same array a new tensor; and its version then.
        self._following = {id(x.array): (x, x._version.value) for x in inputs}

    def follows(self, tensor: Tensor) -> bool:
        """Whether a tensor was computed from the inputs by recorded operations."""
        known = self._following.get(id(tensor.array))
        if known is not None and known[1] != known[0]._version.value:
            raise ValueError(
                f"export: a tensor of shape {list(tensor.shape)} is written in place, which ONNX cannot say; "
                "leave out inplace=True, or write x = x + y for x += y"
            )
        return known is not None

    def operation(self, cls: type[Function] | str, args: tuple, results: tuple, seconds: float) -> None:
        if not any([isinstance(argument, Tensor) and self._was_following(cls, argument) for argument in args]):
            return
        if not isinstance(cls, str) and not cls.__module__.startswith("minigrad."):
            raise ValueError(f"export: {cls.__name__} is a Function of your own, for which ONNX has no operator")
        name = cls if isinstance(cls, str) else cls.__name__
        tensors = tuple([result for result in results if isinstance(result, Tensor)])
        self.calls.append(Call(name, args, tensors, self.scope[-1][0] if self.scope else ""))
        for tensor in tensors:
            self._following[id(tensor.array)] = tensor, tensor._version.value

    def function(self, name: str, args: tuple, result: Any) -> None:
        self.operation(name, args, result if isinstance(result, tuple) else (result,), 0.0)

    def _was_following(self, cls: type[Function] | str, argument: Tensor) -> bool:
        if not isinstance(cls, str) and cls.__qualname__.endswith("InPlace"):  # its own write is no surprise
            return id(argument.array) in self._following
        return self.follows(argument)


def record(model: Module, inputs: tuple[Tensor, ...]) -> tuple[Tape, Any]:
    """Run `model`, in evaluation mode and without gradients: what it did, and what it returned."""
    tape = Tape(inputs)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            start(tape)
            try:
                outputs = model(*inputs)
            finally:
                stop(tape)
    finally:
        for module, training in modes:
            module.training = training
    return tape, outputs


def merge(first: Tape, second: Tape) -> list[Call]:
    """The calls of one run, with OPEN for every number that was another in a run on a batch of another size.

    A tensor that no recorded operation made must be a constant: ValueError where the two runs' differ, for such a
    value follows from the input unseen (by way of NumPy, say).
    """
    if [call.operation for call in first.calls] != [call.operation for call in second.calls]:
        raise ValueError("export: the model does other operations for another input; ONNX has one graph for all")
    return [
        Call(a.operation, _merged_arguments(a, b, first, second), a.results, a.module)
        for a, b in zip(first.calls, second.calls, strict=True)
    ]


def _merged_arguments(a: Call, b: Call, first: Tape, second: Tape) -> tuple:
    merged = []
    for ours, theirs in zip(a.arguments, b.arguments, strict=True):
        if not isinstance(ours, Tensor):
            merged.append(_merge_sizes(ours, theirs, a))
        elif id(ours.array) in first._following or ours.array is theirs.array:
            merged.append(ours)
        elif id(theirs.array) in second._following or not np.array_equal(ours.array, theirs.array):
            raise ValueError(
                f"export: {a} takes a tensor of shape {list(ours.shape)} that depends on the input, but is made by no "
                "operation that ONNX could repeat"
            )
        else:
            merged.append(ours)
    return tuple(merged)


def _merge_sizes(ours: Any, theirs: Any, call: Call) -> Any:
    if isinstance(ours, (tuple, list)) and len(ours) == len(theirs):
        return tuple([_merge_sizes(one, other, call) for one, other in zip(ours, theirs, strict=True)])
    if isinstance(ours, np.ndarray):
        if np.array_equal(ours, theirs):
            return ours
    elif ours == theirs:
        return ours
    elif isinstance(ours, int):
        return OPEN
    raise ValueError(f"export: {call} has other arguments for a batch of another size; ONNX has one graph for all")
