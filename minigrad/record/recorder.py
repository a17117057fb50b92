"""The recorder: makes the records of a trace from what it is told of the engine."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Mapping
from typing import Any

from minigrad.autograd.function import Function
from minigrad.autograd.node import AccumulateGrad, Node, gradient_edge
from minigrad.nn.module import Module
from minigrad.record.formulas import formula_of
from minigrad.record.observer import ModuleListener
from minigrad.record.records import Operation, Outgoing, Record, Source, Step, Value, user_frame
from minigrad.tensor import Tensor

scopes: weakref.WeakKeyDictionary[Node, tuple[tuple[str, str], ...]] = weakref.WeakKeyDictionary()
"""For every node made under a trace, and as long as it lives: its record's `scope`."""


class _Pass:
    """A running backward pass: what each node still waits for, and what has reached it."""

    def __init__(self, index: int, waiting: dict[Node, int], called: Source | None):
        self.index, self.called = index, called
        self.waiting, self.initial = waiting, dict(waiting)
        self.arrived: dict[Node, list[tuple[int, Outgoing]]] = {}

    def delivered(self, node: Node, gradient: tuple[int, Outgoing] | None) -> int:
        """One of the edges into `node` has been seen to; how many are left."""
        if gradient is not None:
            self.arrived.setdefault(node, []).append(gradient)
        self.waiting[node] -= 1
        left = self.waiting[node]
        if left == 0 and node not in self.arrived:  # it will not run, and those behind it hear so
            for parent, _ in node.edges:
                if parent in self.waiting:
                    self.delivered(parent, None)
        return left


class Recorder(ModuleListener):
    """Writes the records of one trace."""

    def __init__(self, keep_values: bool):
        super().__init__()
        self.keep_values = keep_values
        self.records: list[Record] = []
        self.nodes: weakref.WeakKeyDictionary[Node, int] = weakref.WeakKeyDictionary()  # index of its forward record
        self._makers: dict[int, tuple[weakref.ref[Any], int, int]] = {}  # id of an array -> itself, record, slot
        self._names: dict[int, tuple[weakref.ref[Any], str]] = {}  # id of a leaf -> itself, its name
        self._passes: list[_Pass] = []
        self._passes_begun = 0
        self._steps: list[int] = []  # the backward steps that are running, one inside the other

    def name(self, outermost: Module) -> None:
        """Learn the paths of modules, parameters and buffers."""
        super().name(outermost)
        for name, leaf in [*outermost.named_parameters(), *outermost.named_buffers()]:
            self._names[id(leaf)] = weakref.ref(leaf), name

    # Forward

    def operation(self, cls: type[Function], args: tuple[Any, ...], results: tuple[Any, ...], seconds: float) -> None:
        """Forward of `cls` has returned `results`."""
        frame = user_frame()
        roles = argument_names(cls, len(args))
        inputs, arguments = [], {}
        for role, argument in zip(roles, args, strict=True):
            if isinstance(argument, Tensor):
                inputs.append(self._input(role, argument, frame))
            else:
                arguments[role] = _short(argument)
        index = len(self.records)
        outputs = [r for r in results if isinstance(r, Tensor)]
        node = next((r._node for r in outputs if isinstance(r._node, cls)), None)
        record = Operation(
            index,
            cls.__name__,
            formula_of(cls),
            self.scope,
            seconds,
            sum([r.nbytes for r in outputs]),
            Source.of_frame(frame) if frame is not None else None,
            self._steps[-1] if self._steps else None,
            saved_values(node, roles, args, outputs) if node is not None else (),
            inputs=tuple(inputs),
            arguments=arguments,
            recorded=node is not None,
        )
        values = []
        for slot, result in enumerate(results):
            if isinstance(result, Tensor):
                value = Value.of("output", result.array, self.keep_values)
                value.maker, value.slot, value.requires_grad = index, slot, result.requires_grad
                values.append(value)
                self._remember_maker(result.array, index, slot)
        record.outputs = tuple(values)
        self.records.append(record)
        if node is not None:
            self.nodes[node] = index
            scopes[node] = record.scope

    def _input(self, role: str, tensor: Tensor, frame: Any) -> Value:
        maker, slot = self._maker(tensor)
        leaf = maker is None
        return Value.of(
            role,
            tensor.array,
            self.keep_values,
            statistics=leaf,
            name=self._leaf_name(tensor, frame) if leaf else "",
            maker=maker,
            slot=slot,
            requires_grad=tensor.requires_grad,
        )

    def _maker(self, tensor: Tensor) -> tuple[int | None, int]:
        """The record that made a tensor, by its node, or where nothing is on the tape by its array."""
        if tensor.grad_fn in self.nodes:
            return self.nodes[tensor.grad_fn], tensor.output_nr
        known = self._makers.get(id(tensor.array))
        if known is not None and known[0]() is tensor.array:
            return known[1:]
        return None, 0

    def _remember_maker(self, array: Any, index: int, slot: int) -> None:
        key = id(array)
        self._makers[key] = weakref.ref(array, lambda _: self._makers.pop(key, None)), index, slot

    def _leaf_name(self, leaf: Tensor, frame: Any = None) -> str:
        """A parameter's path, or the name of a variable of the user's that holds the leaf."""
        known = self._names.get(id(leaf))
        if known is not None and known[0]() is leaf:
            return known[1]
        if frame is None:
            return ""
        name = _variable(frame, leaf)
        if name:
            self._names[id(leaf)] = weakref.ref(leaf), name
        return name

    def name_outputs(self, frame: Any) -> None:
        """Give the outputs that variables of `frame` hold the variables' names."""
        for name, value in frame.f_locals.items():
            if isinstance(value, Tensor) and not name.startswith("_"):
                maker, slot = self._maker(value)
                if maker is not None:
                    record = self.records[maker]
                    assert isinstance(record, Operation)
                    for output in record.outputs:
                        if output.slot == slot:
                            output.name = name

    # Backward

    def begin_pass(self, waiting: Mapping[Node, int]) -> None:
        """A backward pass starts."""
        frame = user_frame()
        called = Source.of_frame(frame) if frame is not None else None
        self._passes.append(_Pass(self._passes_begun, dict(waiting), called))
        self._passes_begun += 1

    def end_pass(self) -> None:
        """The innermost backward pass has ended, well or not."""
        self._passes.pop()

    def begin_step(self, node: Node, gradients: list[Any]) -> Step:
        """`node` is about to run, or to add up a leaf's gradient."""
        index = len(self.records)
        operation = self.nodes.get(node)
        forward = self.records[operation] if operation is not None else None
        current = self._passes[-1] if self._passes else None
        arrived = current.arrived.get(node, ()) if current is not None else ()
        for _, outgoing in arrived:
            outgoing.step = index
        step = Step(
            index,
            type(node).__name__,
            formula_of(type(node)),
            forward.scope if forward is not None else scopes.get(node, ()),
            source=forward.source if forward is not None else None,
            within=self._steps[-1] if self._steps else None,
            saved=forward.saved if forward is not None else saved_values(node),
            operation=operation,
            pass_index=current.index if current is not None else max(self._passes_begun - 1, 0),
            called=current.called if current is not None else None,
            waited_for=current.initial.get(node, 0) if current is not None else 0,
            contributions=[sender for sender, _ in arrived],
            incoming=tuple([
                None if gradient is None else Value.of("output", gradient.array, self.keep_values, slot=slot)
                for slot, gradient in enumerate(gradients)
            ]),
        )  # fmt: skip
        if isinstance(node, AccumulateGrad):
            step.leaf = self._leaf_name(node.variable)
        if isinstance(forward, Operation):
            forward.steps.append(index)
        self.records.append(step)
        self._steps.append(index)
        return step

    def end_step(self, node: Node, step: Step, results: tuple[Any, ...] | None, seconds: float) -> None:
        """`node` has run, or failed."""
        self._steps.pop()
        step.time = seconds
        if isinstance(node, AccumulateGrad):
            self._note_sum(node, step)
        elif results is not None:
            self._note_gradients(node, step, results)

    def _note_gradients(self, node: Node, step: Step, results: tuple[Any, ...]) -> None:
        roles = argument_names(type(node), len(results))
        current = self._passes[-1] if self._passes else None
        sent = []
        for role, gradient, (parent, slot) in zip(roles, results, node.edges, strict=True):
            if parent is None or current is None or parent not in current.waiting:
                continue
            value = None
            if gradient is not None:
                value = Value.of(role, gradient.array, self.keep_values)
                step.bytes += gradient.nbytes
            outgoing = Outgoing(value, slot, 0, to=self._node_label(parent))
            outgoing.remaining = current.delivered(parent, None if value is None else (step.index, outgoing))
            sent.append(outgoing)
        step.outgoing = tuple(sent)

    def _note_sum(self, node: AccumulateGrad, step: Step) -> None:
        total = node.variable.grad
        if total is not None:
            step.accumulated = Value.of("grad", total.array, self.keep_values, name=step.leaf)
            step.bytes = total.nbytes

    def _node_label(self, node: Node) -> str:
        if isinstance(node, AccumulateGrad):
            return self._leaf_name(node.variable) or "leaf"
        return type(node).__name__


def _variable(frame: Any, tensor: Tensor) -> str:
    """The name by which a frame knows a tensor, or ""."""
    for variables in (frame.f_locals, frame.f_globals):
        for name, value in variables.items():
            if value is tensor and not name.startswith("_"):
                return name
    return ""


def argument_names(cls: type, count: int) -> tuple[str, ...]:
    """The names of forward's `count` arguments, `ctx` aside; those of a starred one are numbered."""
    parameters = list(inspect.signature(cls.forward).parameters.values()) if issubclass(cls, Function) else []
    if parameters and getattr(cls, "setup_context", None) is Function.setup_context:
        parameters = parameters[1:]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    star = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    return tuple([*names, *[f"{star}[{i}]" for i in range(count - len(names))]][:count])


def saved_values(
    node: Node, roles: tuple[Any, ...] = (), args: tuple[Any, ...] = (), outputs: list[Any] | tuple[Any, ...] = ()
) -> tuple[Value, ...]:
    """What a node keeps for its backward: saved tensors, and arrays that forward left on it by name."""
    if not isinstance(node, Function):
        return ()
    values = []
    try:
        tensors = node.saved_tensors
    except RuntimeError:  # freed, or overwritten since: backward says so itself
        tensors = ()
    for position, tensor in enumerate(tensors):
        if isinstance(tensor, Tensor):
            role = next((r for r, a in zip(roles, args, strict=True) if a is tensor), None)
            if role is None and any([tensor.array is output.array for output in outputs]):
                role = "output"
            if role is None and tensor.requires_grad:
                role = _role_by_edge(node, tensor)
            values.append(Value(role or f"saved[{position}]", tensor.shape, str(tensor.dtype)))
    for name, value in vars(node).items():
        array = value.array if isinstance(value, Tensor) else value
        if not name.startswith("_") and hasattr(array, "shape") and hasattr(array, "dtype"):
            values.append(Value(name, tuple(array.shape), str(array.dtype)))
    return tuple(values)


def _role_by_edge(node: Function, tensor: Tensor) -> str | None:
    """The argument that a saved tensor was, told by where its gradient goes."""
    edge = gradient_edge(tensor)
    if edge[0] is node:
        return "output"
    roles = argument_names(type(node), len(node.edges))
    return next((role for role, known in zip(roles, node.edges, strict=True) if known == edge), None)


def _short(value: Any) -> str:
    """A plain argument as a word or two; tensors in containers and functions by their type."""
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = type(value).__name__ if isinstance(value, list | tuple) and len(value) > 8 else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."  # what a cell of a table holds
