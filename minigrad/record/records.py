"""The records of a trace: plain numbers, strings and small tuples, which keep no tensor alive."""

from __future__ import annotations

import linecache
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from types import FrameType
from typing import Any

import numpy as np

from minigrad.device import array_module, to_device
from minigrad.record.text import memory_text, number_text, shape_text

_PACKAGE = str(Path(__file__).parent.parent) + os.sep


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean, standard deviation (of the values, not of a sample), Euclidean norm, fraction of exact zeros."""

    mean: float
    std: float
    norm: float
    zeros: float

    def columns(self) -> tuple[str, str, str, str]:
        """The four numbers as text."""
        return number_text(self.mean), number_text(self.std), number_text(self.norm), f"{self.zeros:.0%}"


def statistics_of(array: Any) -> Statistics | None:
    """The statistics of an array of floating point numbers; None for other types and for empty arrays."""
    if array.dtype.kind != "f" or array.size == 0:
        return None
    xp = array_module(array)
    with np.errstate(all="ignore"):
        mean, std = array.mean(dtype=np.float64), array.std(dtype=np.float64)
        norm = math.sqrt(float(xp.square(array, dtype=np.float64).sum()))
    return Statistics(float(mean), float(std), norm, 1 - int(xp.count_nonzero(array)) / array.size)


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the user's code."""

    file: str
    line: int
    text: str = ""

    @classmethod
    def of_frame(cls, frame: Any) -> Source:
        """The line that a frame is at; of a notebook's cell the "file" is its number, such as In[3]."""
        file, line = frame.f_code.co_filename, frame.f_lineno
        text = linecache.getline(file, line, frame.f_globals).strip()
        if "get_ipython" in frame.f_globals:
            cell = frame.f_globals["get_ipython"]().compile.format_code_name(file)  # ("Cell", "In[3]"), None for a file
            file = cell[1] if cell else file
        return cls(file, line, text)

    def __str__(self) -> str:
        return f"{PurePath(self.file).name}:{self.line}"


def user_frame() -> FrameType | None:
    """The innermost frame that is not minigrad's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


@dataclass(slots=True)
class Value:
    """A tensor that went into or came out of an operation, or a gradient."""

    role: str  # the argument's name in forward: "x", "weight"; "output" for what forward returned
    shape: tuple[int, ...]
    dtype: str
    name: str = ""  # the user's: a parameter's path ("features.0.weight"), or a variable that holds it ("loss")
    maker: int | None = None  # index of the forward record that made it; None for a leaf
    slot: int = 0  # which of the maker's outputs it is
    requires_grad: bool = False
    statistics: Statistics | None = None  # of outputs, gradients and leaves
    array: np.ndarray | None = None  # a copy of the values, if the trace keeps them

    @classmethod
    def of(cls, role: str, array: Any, keep: bool, statistics: bool = True, **more: Any) -> Value:
        """The description of `array`; `keep` copies its values, `statistics` computes its statistics."""
        copy = np.array(to_device(array, "cpu")) if keep else None
        numbers = statistics_of(array) if statistics else None
        return cls(role, tuple(array.shape), str(array.dtype), statistics=numbers, array=copy, **more)

    def described(self, label: str) -> str:
        """ "weight: features.0.weight, 6 x 1 x 5 x 5 float32, mean ..."."""
        origin = f"from [{self.maker}], " if self.maker is not None and self.role != "output" else ""
        if self.name and self.role != "grad":
            origin = f"{self.name}, "
        text = f"{label}: {origin}{shape_text(self.shape)} {self.dtype}"
        if self.statistics is None:
            return text
        mean, std, norm, zeros = self.statistics.columns()
        if self.shape == ():
            return f"{text} {mean}"
        return f"{text}, mean {mean}, std {std}, norm {norm}, zeros {zeros}"


@dataclass(slots=True)
class Outgoing:
    """A gradient that a backward step handed to the node of one of its operation's inputs."""

    gradient: Value | None  # None: the step had none to give; its `role` is the input's name in forward
    slot: int  # which output of the receiving node it belongs to
    remaining: int  # how many gradients the receiver still waited for after this one; at 0 it may run
    step: int | None = None  # index of the backward record that took it in; None if none did
    to: str = ""  # the receiving operation's name, or the leaf's


@dataclass(slots=True)
class Record:
    """What forward and backward records have in common."""

    index: int  # its place in the whole trace, counting forward and backward together
    name: str  # the Function's name: "Conv2d"; "AccumulateGrad" where a leaf's gradient is added up
    formula: str  # what the Function's documentation says first
    scope: tuple[tuple[str, str], ...] = ()  # (path, class) of the modules called, outermost first
    time: float = 0.0  # seconds
    bytes: int = 0  # of the outputs, or of the gradients that left
    source: Source | None = None  # the line of the user's code whose forward this is
    within: int | None = None  # index of the backward record that ran it (checkpoint, create_graph)
    saved: tuple[Value, ...] = ()  # what forward keeps for backward (a record of backward: what it used)

    @property
    def module(self) -> str:
        """The path of the innermost module called: "features.3"; "" in the outermost and outside modules."""
        return self.scope[-1][0] if self.scope else ""

    @property
    def module_class(self) -> str:
        """The class of the innermost module called; "" outside modules."""
        return self.scope[-1][1] if self.scope else ""

    @property
    def kind(self) -> str:
        """ "forward" or "backward"."""
        return "forward" if isinstance(self, Operation) else "backward"

    @property
    def statistics(self) -> Statistics | None:
        """Of the first output; in backward of the first gradient that came in."""
        raise NotImplementedError

    def facts(self) -> list[str]:
        """What is known of this kind of record alone, a line for each fact."""
        raise NotImplementedError

    def __str__(self) -> str:
        """All that is known of the record, a line for each fact."""
        place = f" in {self.module or self.module_class}" if self.scope else ""
        if self.module and self.module_class:
            place += f" ({self.module_class})"
        lines = [f"[{self.index}] {self.kind} of {self.name}{place}", f"  {self.formula}", *self.facts()]
        if self.saved:
            kept = ", ".join([f"{value.role} ({shape_text(value.shape)})" for value in self.saved])
            lines.append(f"  {'saved for backward' if isinstance(self, Operation) else 'used'}: {kept}")
        lines.append(f"  {self.time * 1e3:.3f} ms, {memory_text(self.bytes)}")
        if self.source is not None:
            lines.append(f"  {self.source}  {self.source.text}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The record as plain dicts and lists; numbers that JSON lacks as "NaN", "Infinity", "-Infinity"."""
        return {"kind": self.kind, "module": self.module, "module_class": self.module_class, **_plain(self)}


@dataclass(slots=True)
class Operation(Record):
    """One operation of forward, in the order in which they ran."""

    inputs: tuple[Value, ...] = ()  # the tensors among the arguments
    arguments: dict[str, str] = field(default_factory=dict)  # the others, as text: {"stride": "(1, 1)"}
    outputs: tuple[Value, ...] = ()
    recorded: bool = False  # True if it is on the tape: some input required a gradient
    steps: list[int] = field(default_factory=list)  # indices of the backward records that ran it, one for each pass

    @property
    def parents(self) -> tuple[int | None, ...]:
        """For each input, the index of the record that made it; None for a leaf."""
        return tuple([value.maker for value in self.inputs])

    @property
    def statistics(self) -> Statistics | None:
        return self.outputs[0].statistics if self.outputs else None

    def facts(self) -> list[str]:
        lines = [f"  {value.described(value.role)}" for value in self.inputs]
        if self.arguments:
            lines.append("  " + ", ".join([f"{key}={text}" for key, text in self.arguments.items()]))
        lines += [f"  {value.described('=> ' + value.role)}" for value in self.outputs]
        if self.steps:
            lines.append(f"  run backward by {_indices(self.steps)}")
        return lines


@dataclass(slots=True)
class Step(Record):
    """One node that backward ran, in the order in which they ran."""

    operation: int | None = None  # index of the forward record; None if forward was not traced, and for leaves
    pass_index: int = 0  # which backward pass of the trace it belongs to
    called: Source | None = None  # the line of the user's code that called backward
    waited_for: int = 0  # how many gradients had to arrive before it might run; 0 where the pass starts
    contributions: list[int] = field(default_factory=list)  # indices of the steps whose gradients it got, summed
    incoming: tuple[Value | None, ...] = ()  # the gradient of each output
    outgoing: tuple[Outgoing, ...] = ()  # the gradients of the inputs that need one
    leaf: str = ""  # of an AccumulateGrad: the leaf's name
    accumulated: Value | None = None  # of an AccumulateGrad: the leaf's .grad afterwards

    @property
    def statistics(self) -> Statistics | None:
        return next((value.statistics for value in self.incoming if value is not None), None)

    def facts(self) -> list[str]:
        lines = [f"  {value.described('gradient that came in')}" for value in self.incoming if value is not None]
        if self.contributions:
            summed = "the sum of those sent by" if len(self.contributions) > 1 else "sent by"
            lines.append(f"    {summed} {_indices(self.contributions)}")
        for out in self.outgoing:
            if out.gradient is not None:
                goes = f"-> [{out.step}] {out.to}" if out.step is not None else f"-> {out.to}"
                wait = f", which waits for {out.remaining} more" if out.remaining else ""
                lines.append(f"  {out.gradient.described('gradient of ' + out.gradient.role)} {goes}{wait}")
        if self.accumulated is not None:
            lines.append(f"  {self.accumulated.described((self.leaf or 'the leaf') + '.grad is now')}")
        return lines


def _indices(indices: Sequence[int]) -> str:
    return ", ".join([f"[{index}]" for index in indices])


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if hasattr(value, "__dataclass_fields__"):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
