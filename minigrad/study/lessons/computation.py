"""One forward and backward pass with all values: the data that the stepper's page shows.

Read from a trace with `keep_values=True`, or from a loss whose graph has not been freed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from minigrad.autograd.function import Function
from minigrad.autograd.node import AccumulateGrad, Node
from minigrad.autograd.saved import Saved
from minigrad.device import to_device
from minigrad.record.recorder import argument_names
from minigrad.record.records import Operation, Source, Step
from minigrad.record.trace import Trace, trace
from minigrad.study.draw.autograd_graph import Entry, family_of, read_graph, walk
from minigrad.tensor import Tensor

MOST_OPERATIONS = 1000  # a page of more could not be walked through, and would weigh tens of megabytes

Output = tuple[int, int]  # index of an entry, and which of its outputs


@dataclass
class Facts:
    """What is known of an entry besides its place in the graph."""

    cls: type | None = None
    roles: list[str] = field(default_factory=list)  # for each of the entry's sources, the argument's name in forward
    arguments: dict[str, str] = field(default_factory=dict)  # the arguments that are no tensors
    values: list[np.ndarray | None] = field(default_factory=list)  # of the outputs; None where nothing kept it
    saved: list[str] | None = None  # the roles of what it keeps for backward, if that is known
    line: Source | None = None


@dataclass
class Sent:
    """A gradient that a step sends to `target`, for its use as the argument `role`."""

    target: int
    role: str
    value: np.ndarray | None
    remaining: int  # what the target still waits for afterwards


@dataclass
class Run:
    """One step of backward: the entry's operation ran, or the leaf's gradient was added up."""

    entry: int
    incoming: np.ndarray | None  # the gradient of its first output that has one
    sent: list[Sent] = field(default_factory=list)
    accumulated: np.ndarray | None = None  # of a leaf: its .grad afterwards


@dataclass
class Computation:
    """Entries with their facts, in the order of forward, and backward's runs in theirs."""

    entries: list[Entry]
    facts: list[Facts]
    runs: list[Run]
    modules: dict[str, str]


def computation_of_trace(record: Trace) -> Computation:
    """The first backward pass of a trace, and the operations of forward that it goes back through."""
    steps = [step for step in record.backward if isinstance(step, Step)]
    if not steps:
        raise RuntimeError("step: nothing ran backward in this trace; call loss.backward() inside `with study.trace()`")
    steps = [step for step in steps if step.pass_index == steps[0].pass_index and step.within is None]
    whole = record.whole
    root = steps[0].operation
    if root is None:
        raise RuntimeError("step: forward is not in this trace; compute the loss inside `with study.trace()` too")
    operations = _ancestors(whole, root)
    _check_count(len(operations))
    runs_of = {step.operation: step for step in steps if step.operation is not None}
    computation = Computation([], [], [], {})
    home: dict[Any, int] = {}  # of a forward record, and of a leaf by what tells it from others
    leaf_step: dict[int, int] = {}
    for operation in operations:
        sources, roles = [], []
        step = runs_of.get(operation.index)
        outgoing = iter(step.outgoing if step is not None else ())
        for value in operation.inputs:
            received = next(outgoing, None) if value.requires_grad else None
            if value.maker is not None:
                sources.append((home[value.maker], value.slot))
            else:
                key: Any = ("unnamed", operation.index, value.role)
                if received is not None and received.step is not None:
                    key = received.step
                elif value.name:
                    key = value.name
                if key not in home:
                    path = operation.module + "." if operation.module else ""
                    own = value.requires_grad and value.name.rpartition(".")[0] == operation.module and bool(path)
                    leaf = Entry(0, label=value.name, is_parameter=own)
                    leaf.shapes, leaf.requires_grad = [value.shape], value.requires_grad
                    leaf.path = _modules(operation, computation) if own else ()
                    home[key] = _add(computation, leaf, Facts(values=[value.array]))
                    if isinstance(key, int):
                        leaf_step[key] = home[key]
                sources.append((home[key], 0))
            roles.append(value.role)
        cls = _class_named(operation.name)
        entry = Entry(0, operation.name, family_of(cls) if cls is not None else "own", sources)
        entry.label = operation.outputs[0].name if operation.outputs else ""
        entry.path, entry.shapes = _modules(operation, computation), [value.shape for value in operation.outputs]
        entry.requires_grad = operation.recorded
        facts = Facts(cls, roles, operation.arguments, [value.array for value in operation.outputs])
        facts.saved, facts.line = [value.role for value in operation.saved], operation.source
        home[operation.index] = _add(computation, entry, facts)
        for source, _ in sources:
            computation.entries[source].users.append(entry.index)
    if any(value is None for facts in computation.facts for value in facts.values):
        raise RuntimeError("step: this trace kept no values; record with study.trace(keep_values=True)")
    for step in steps:
        index = leaf_step.get(step.index) if step.operation is None else home.get(step.operation)
        if index is not None:
            parents = [source for source, _ in computation.entries[index].sources]
            receivers = [parent for parent in parents if computation.entries[parent].requires_grad]
            computation.runs.append(_run(index, step, receivers))
    return computation


def computation_of_loss(loss: Any, frame: FrameType) -> Computation:
    """Backward of `loss` is run here, under a trace, without touching any `.grad`; the graph is kept."""
    graph = read_graph("step", loss, None, frame)
    nodes, _ = walk(loss.grad_fn)
    _check_count(sum([bool(entry.operation) for entry in graph.entries]))
    if loss.numel() != 1:
        raise RuntimeError(f"step: backward starts from one number, but this tensor has shape {list(loss.shape)}")
    if any([isinstance(node, Function) and node._released for node in nodes]):
        raise RuntimeError(
            "step: backward() has freed this graph; call study.step before backward, or backward(retain_graph=True), "
            "or pass a trace of both: `with study.trace(keep_values=True) as t: ...`, then study.step(t, path)"
        )
    steps = _run_backward(loss, nodes)
    variables = {**frame.f_globals, **frame.f_locals}
    known = _known_values(nodes, loss, variables)
    computation = Computation(graph.entries, [], [], graph.modules)
    index = {node: place for place, node in enumerate(nodes)}
    for node, entry in zip(nodes, graph.entries, strict=True):
        cls = type(node)
        roles = [r for r, (s, _) in zip(argument_names(cls, len(node.edges)), node.edges, strict=True) if s is not None]
        values = [known.get((node, slot)) for slot in range(len(node.outputs))]
        computation.facts.append(Facts(cls if entry.operation else None, roles, values=values))
    by_index = {step.index: step for step in steps}
    pending = [(steps[0], nodes[-1])]
    node_of = {steps[0].index: nodes[-1]}
    while pending:
        step, node = pending.pop()
        parents = [parent for parent, _ in node.edges if parent is not None]
        for outgoing, parent in zip(step.outgoing, parents, strict=True):
            if outgoing.step is not None and outgoing.step not in node_of:
                node_of[outgoing.step] = parent
                pending.append((by_index[outgoing.step], parent))
    for step in steps:
        node = node_of[step.index]
        receivers = [index[parent] for parent, _ in node.edges if parent is not None]
        computation.runs.append(_run(index[node], step, receivers))
    return computation


def _run(index: int, step: Step, receivers: list[int]) -> Run:
    incoming = next((value.array for value in step.incoming if value is not None), None)
    sent = []
    for target, outgoing in zip(receivers, step.outgoing, strict=True):
        gradient = outgoing.gradient
        role, value = (gradient.role, gradient.array) if gradient is not None else ("", None)
        sent.append(Sent(target, role, value, outgoing.remaining))
    accumulated = step.accumulated.array if step.accumulated is not None else None
    return Run(index, incoming, sent, accumulated)


def _check_count(count: int) -> None:
    if count > MOST_OPERATIONS:
        raise ValueError(
            f"step: {count:,} operations are too many to walk through (at most {MOST_OPERATIONS:,}); take a smaller "
            "part of the computation, or look at study.graph, which folds modules"
        )


def _add(computation: Computation, entry: Entry, facts: Facts) -> int:
    entry.index = len(computation.entries)
    computation.entries.append(entry)
    computation.facts.append(facts)
    return entry.index


def _ancestors(record: Trace, root: int) -> list[Operation]:
    """The forward records that the record `root` was computed from, and itself, in their order."""
    found = {root}
    stack = [root]
    while stack:
        operation = record[stack.pop()]
        assert isinstance(operation, Operation)
        makers = {maker for maker in operation.parents if maker is not None} - found
        found |= makers
        stack.extend(makers)
    return [operation for index in sorted(found) if isinstance(operation := record[index], Operation)]


def _modules(operation: Operation, computation: Computation) -> tuple[str, ...]:
    scope = [(path, name) for path, name in operation.scope if path]
    computation.modules.update(scope)
    return tuple([path for path, _ in scope])


def _class_named(name: str) -> type | None:
    """The operation of that name that was defined last."""
    found, pending = None, [Function]
    while pending:
        cls = pending.pop(0)
        if cls.__name__ == name:
            found = cls
        pending.extend(cls.__subclasses__())
    return found


def _run_backward(loss: Tensor, nodes: list[Node]) -> list[Step]:
    """The steps of ``loss.backward()``; every `.grad` is afterwards what it was."""
    kept = [node.variable for node in nodes if isinstance(node, AccumulateGrad)]
    kept += [tensor for node in nodes for held in (node.retained or {}).values() if (tensor := held()) is not None]
    before = [tensor.grad for tensor in kept]
    try:
        for tensor in kept:
            tensor.grad = None
        with trace(keep_values=True) as record:
            loss.backward(retain_graph=True)
    finally:
        for tensor, gradient in zip(kept, before, strict=True):
            tensor.grad = gradient
    return [step for step in record if isinstance(step, Step) and step.within is None]


def _known_values(
    nodes: list[Node], loss: Tensor, variables: Mapping[str, Any]
) -> dict[tuple[Node | None, int], np.ndarray]:
    """The outputs of nodes as far as something still holds them: leaves, variables, what was saved for backward.

    What is left is computed again where all inputs of one of minigrad's own operations are known.
    """
    held = [loss, *[value for value in variables.values() if isinstance(value, Tensor)]]
    known: dict[tuple[Node | None, int], Any] = {}
    for node in nodes:
        if isinstance(node, AccumulateGrad):
            known[node, 0] = node.variable.array
            continue
        for saved in [*getattr(node, "_saved", ()), *getattr(node, "_arguments", ())]:
            if isinstance(saved, Saved):
                if saved.slot is not None:
                    known[node, saved.slot] = saved.tensor.array
                else:
                    held.append(saved.tensor)
    for tensor in held:
        if tensor.grad_fn is not None:
            known[tensor.grad_fn, tensor.output_nr] = tensor.array
    for node in nodes:
        inputs = [known.get(edge) for edge in node.edges]
        if (node, 0) in known or not inputs or any([value is None for value in inputs]):
            continue
        if isinstance(node, Function) and type(node).__module__.startswith("minigrad.ops."):
            context = type(node)()
            context.needs_input_grad = (False,) * len(inputs)
            with np.errstate(all="ignore"):
                result = type(node).forward(context, *map(Tensor, inputs))
            known[node, 0] = (result[0] if isinstance(result, tuple) else result).array
    return {key: np.array(to_device(array, "cpu")) for key, array in known.items()}
