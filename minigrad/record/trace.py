"""A trace: what forward and backward did, operation by operation."""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any, overload

from minigrad.autograd.node import Node
from minigrad.record.observer import start, stop
from minigrad.record.recorder import Recorder
from minigrad.record.records import Operation, Record, Step
from minigrad.record.table import table
from minigrad.tensor import Tensor


class Trace:
    """The records of a part of a program, in order; made by `trace()`, and a selection of one by slicing.

    `t[3]` is a record; `t[3:7]`, `t.forward`, `t.backward` and `t.filter(...)` are traces of fewer records. A record's
    `index`, and every link between records (`maker`, `steps`, `operation`, `contributions`), counts in the whole trace:
    follow it with `t.whole[index]`.

    Args:
        recorder: what records.
        records: the selection; None means all that is recorded.

    Examples:
        >>> from minigrad import study
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> with study.trace() as t:
        ...     y = (x * x).sum()
        ...     y.backward()
        >>> t
        <Trace of 2 forward operations and 3 backward steps>
        >>> t.of(y).name, t.filter(name="mul")[0].parents
        ('Sum', (None, None))
    """

    def __init__(self, recorder: Recorder, records: list[Record] | None = None):
        self._recorder = recorder
        self._records = recorder.records if records is None else records
        self._state = "new" if records is None else "over"

    def __enter__(self) -> Trace:
        if self._state != "new":
            raise RuntimeError("trace: a trace records once; open another with study.trace()")
        self._state = "open"
        start(self._recorder)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._state = "over"
        stop(self._recorder)
        self._recorder.name_outputs(sys._getframe(1))

    @property
    def whole(self) -> Trace:
        """The trace that this one is a selection of."""
        return Trace(self._recorder, self._recorder.records)

    @property
    def forward(self) -> Trace:
        """The operations of forward (`Operation`)."""
        return self.filter(kind="forward")

    @property
    def backward(self) -> Trace:
        """The steps of backward (`Step`)."""
        return self.filter(kind="backward")

    def filter(
        self,
        condition: Callable[[Record], bool] | None = None,
        *,
        name: str | None = None,
        module: str | None = None,
        kind: str | None = None,
    ) -> Trace:
        """Select the records that satisfy all of what is given.

        Args:
            condition: a function of a record.
            name: the name of an operation, such as "Conv2d"; "conv*" matches several, and case is ignored.
            module: the path of a module, such as "features", which includes all modules in it.
            kind: "forward" or "backward".

        Raises:
            TypeError: the condition is not a function.
            ValueError: the kind is another one.
        """
        if condition is not None and not callable(condition):
            raise TypeError(
                f"filter: the condition must be a function of a record, got {type(condition).__name__}; "
                'an operation is chosen with name="Conv2d", a module with module="features"'
            )
        if kind not in (None, "forward", "backward"):
            raise ValueError(f"filter: kind must be 'forward' or 'backward', got {kind!r}")
        return Trace(
            self._recorder,
            [
                record
                for record in self._records
                if (condition is None or condition(record))
                and (name is None or fnmatch(record.name.lower(), name.lower()))
                and (module is None or _below(record, module))
                and (kind is None or record.kind == kind)
            ],
        )

    def of(self, made: Tensor | Node) -> Operation:
        """Find the forward record of the operation that made a tensor.

        Args:
            made: the tensor, or a node of the autograd graph.

        Raises:
            TypeError: it is neither.
            KeyError: it is a leaf, or was not made inside the trace.
        """
        if not isinstance(made, Tensor | Node):
            raise TypeError(f"of: expected a tensor or a node of the tape, got {type(made).__name__}")
        node = made.grad_fn if isinstance(made, Tensor) else made
        index = self._recorder.nodes.get(node) if node is not None else None
        if index is None:
            raise KeyError("of: this trace has no record of it: it is a leaf, or was made outside the trace")
        record = self._recorder.records[index]
        assert isinstance(record, Operation)
        return record

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Trace: ...

    def __getitem__(self, index: int | slice) -> Record | Trace:
        if isinstance(index, slice):
            return Trace(self._recorder, self._records[index])
        if not isinstance(index, int):
            raise TypeError(f"a trace is indexed by numbers and slices, got {type(index).__name__}; see filter")
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of a trace of {len(self)}")
        return self._records[index]

    def to_json(self, indent: int | None = None) -> str:
        """Return the records as a JSON list of objects; NaN and infinities are strings, as JSON has no such numbers.

        Args:
            indent: by how many spaces to indent; None writes one line.
        """
        return json.dumps([record.as_dict() for record in self._records], indent=indent)

    def _repr_html_(self) -> str:
        return f'<pre style="line-height: 1.3">{html.escape(str(self))}</pre>'

    def __repr__(self) -> str:
        return f"<Trace of {len(self.forward)} forward operations and {len(self.backward)} backward steps>"

    def __str__(self) -> str:
        if self._state == "new":
            return "Trace: nothing is recorded yet. Write `with study.trace() as t:` around what is to be traced."
        if not self._records:
            return "Trace: no operation ran, or none was selected."
        return table(self._records)


def trace(keep_values: bool = False) -> Trace:
    """Record forward and backward, operation by operation, of what runs inside a `with` block.

    A record holds an operation's name, formula, module, shapes, saved tensors, statistics of outputs and gradients,
    time, bytes, the line of the calling code, and links to other records (see `Operation` and `Step`). Results are the
    same as without a trace. Only the calling thread is recorded.

    Args:
        keep_values: whether to keep copies of all inputs, outputs and gradients.

    Returns:
        A `Trace`, which records between entering and leaving it.

    Raises:
        TypeError: `keep_values` is not a bool.

    Examples:
        >>> from minigrad import study
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> with study.trace() as t:
        ...     (x * x).sum().backward()
        >>> [record.name for record in t]
        ['Mul', 'Sum', 'Sum', 'Mul', 'AccumulateGrad']
    """
    if not isinstance(keep_values, bool):
        raise TypeError(
            f"trace: keep_values must be True or False, got {type(keep_values).__name__}; "
            "what is to be traced runs inside `with study.trace() as t:`"
        )
    return Trace(Recorder(keep_values))


def _below(record: Record, module: str) -> bool:
    paths = [path for path, _ in record.scope] + ([record.leaf] if isinstance(record, Step) else [])
    return any([path == module or path.startswith(f"{module}.") for path in paths])
