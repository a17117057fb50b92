"""A recording of one forward pass: the operations that follow from its inputs, and the lines that called them."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from minigrad.autograd import no_grad
from minigrad.autograd.function import Function
from minigrad.nn.module import Module
from minigrad.record.observer import ModuleListener, start, stop
from minigrad.record.records import Source
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.onnx.sizes import Size

_PACKAGE = str(Path(__file__).parent.parent)


@dataclass(frozen=True)
class Value:
    """A tensor that follows from the inputs: which one it is, in the order in which they were made."""

    index: int
    shape: tuple[int | Size, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


@dataclass(frozen=True)
class Call:
    """An operation on something that follows from the inputs; such tensors are Values among its arguments."""

    operation: str  # the name of the Function, or of a function without a gradient
    arguments: tuple[Any, ...]
    results: tuple[Value, ...]
    module: str  # the path of the innermost module that was being called
    line: Source | None  # the line of the model's code, if that is not minigrad's own

    def __str__(self) -> str:
        line = f"{self.line}: {self.line.text}" if self.line is not None and self.line.text else self.line
        places = [f"in {self.module}"] * bool(self.module) + [f"({line})"] * bool(line)
        return " ".join([self.operation, *places])


class Recording(ModuleListener):
    """Keeps the operations that follow from `inputs`, in order. Of their results it keeps no array alive."""

    def __init__(self, inputs: tuple[Tensor, ...]):
        super().__init__()
        self.calls: list[Call] = []
        self.count = 0
        # By the array's id, for detach() and the like give the same array a new tensor.
        self._known: dict[
            int, tuple[weakref.ref[Any], Any, int, Value]
        ] = {}  # its version counter and the version then
        self.inputs = tuple([self._new(tensor) for tensor in inputs])
        self.outputs: tuple[Value, ...] = ()

    def value_of(self, tensor: Tensor) -> Value | None:
        """The Value that a tensor is; None if it does not follow from the inputs by recorded operations."""
        known = self._known.get(id(tensor.array))
        return known[3] if known is not None and known[0]() is tensor.array else None

    def operation(self, cls: type[Function], args: tuple[Any, ...], results: tuple[Any, ...], seconds: float) -> None:
        self._add(cls.__name__, args, results, cls)

    def function(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        self._add(name, args, result if isinstance(result, tuple) else (result,), None)

    def _add(self, name: str, args: tuple[Any, ...], results: tuple[Any, ...], cls: type[Function] | None) -> None:
        arguments = self._with_values(args)
        if not any([isinstance(argument, Value) for argument in arguments]):
            return
        if name == "write":  # what the target held is gone, if it is written as a whole
            target, arguments = args[0], arguments[1:]
            if target._base is not None:
                arguments, results = (arguments[0], False), (target._base,)
        call = Call(name, arguments, (), self.scope[-1][0] if self.scope else "", _line())
        if cls is not None and not cls.__module__.startswith("minigrad."):
            raise ValueError(f"export: {call} is a Function of your own, for which ONNX has no operator")
        for argument in args:
            if not any([argument is result for result in results]):  # its own write is no surprise
                self.check_unwritten(argument, f"{call} takes")
        tensors = tuple([self._new(result) for result in results if isinstance(result, Tensor)])
        self.calls.append(Call(name, arguments, tensors, call.module, call.line))

    def _with_values(self, args: Any) -> tuple[Any, ...]:
        return tuple([self._with_value(argument) for argument in args])

    def _with_value(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return self.value_of(argument) or argument
        if isinstance(argument, tuple | list):
            return self._with_values(argument)
        return argument

    def _new(self, tensor: Tensor) -> Value:
        value = Value(self.count, tuple(tensor.shape), tensor.dtype)
        self.count += 1
        key, version = id(tensor.array), tensor._version
        self._known[key] = weakref.ref(tensor.array), version, version.value, value
        return value

    def check_unwritten(self, argument: Any, user: str) -> None:
        """ValueError if a tensor that follows from the inputs has been written since it was made."""
        if not isinstance(argument, Tensor) or self.value_of(argument) is None:
            return
        _, version, before, _ = self._known[id(argument.array)]
        if version.value != before:
            raise ValueError(
                f"export: {user} a tensor of shape {list(argument.shape)} that was written in place through another "
                "that shares its memory; leave out inplace=True, or write x = x + y for x += y"
            )


def record(model: Module, inputs: tuple[Tensor, ...]) -> Recording:
    """Run `model`, in evaluation mode and without gradients, and return what it did.

    Raises:
        ValueError: it does not return a tensor that follows from the inputs, or a tuple of them.
    """
    recording = Recording(inputs)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            start(recording)
            try:
                returned = model(*inputs)
            finally:
                stop(recording)
    finally:
        for module, training in modes:
            module.training = training
    outputs = returned if isinstance(returned, tuple | list) else (returned,)
    values = [recording.value_of(y) if isinstance(y, Tensor) else None for y in outputs]
    if not values or None in values:
        raise ValueError("export: the model must return a tensor computed from its input, or a tuple of them")
    for y in outputs:
        recording.check_unwritten(y, "the model returns")
    recording.outputs = tuple([value for value in values if value is not None])
    return recording


def _line() -> Source | None:
    """The line of the model's code that is running; None if the model is minigrad's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not record.__code__:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return Source.of_frame(frame)
        frame = frame.f_back
    return None
