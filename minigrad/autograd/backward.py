"""The backward pass: from the results to the leaves, each node once, after all nodes that use its results.

Read `backward_pass`. The rest of the file prepares its arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from minigrad.autograd.anomaly import anomaly
from minigrad.autograd.grad_mode import set_grad_enabled
from minigrad.autograd.node import AccumulateGrad, Edge, Node, gradient_edge
from minigrad.autograd.numpy_warnings import ignored_warnings
from minigrad.autograd.observer import observers, observing
from minigrad.device import array_module
from minigrad.pending import postponing
from minigrad.tensor import Tensor, from_array

# For each output of a node the gradient that has arrived, or None, and whether nobody else holds its array.
Arrived = dict[Node, list[tuple[Any, bool]]]


def backward_pass(
    roots: Sequence[Edge],
    gradients: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Edge] | None = None,
) -> list[Tensor | None]:
    """Carry `gradients` from `roots` towards the leaves.

    Without `targets` every leaf's `.grad` is added to; with them nothing is, and their gradients are returned.

    A tensor that is used twice gets two gradients, and the derivative is their sum. So a node may run only when
    all its children (the operations that used its output) have: `waiting` counts those that have not. Running
    nodes in the order of their last child is a topological order, found without recursion.
    """
    waiting = children_counts(roots, targets)
    wanted = set(targets or ())
    captured: dict[Edge, Tensor | None] = {}
    arrived: Arrived = {}
    for (root, slot), seed in zip(roots, gradients, strict=True):
        if root in waiting:
            deliver(arrived, root, slot, seed, fresh=False)
    ready = [node for node, children in waiting.items() if children == 0]
    with calling_back(), set_grad_enabled(create_graph), ignored_warnings(), postponing(), observed_pass(waiting):
        while ready:
            node = ready.pop()
            incoming = arrived.pop(node, None)
            outgoing: Iterable[Tensor | None] = (None,) * len(node.edges)
            if incoming is not None:
                outputs = [gradient for gradient, _ in incoming]
                if node.hooks or node.retained:
                    outputs = apply_hooks(node, outputs)
                for slot, output in enumerate(outputs if wanted else ()):
                    if output is not None and (node, slot) in wanted:
                        captured[node, slot] = output
                if isinstance(node, AccumulateGrad):
                    if targets is None:
                        node.accumulate(outputs[0], fresh=incoming[0][1] and not node.hooks)
                elif targets is None or any([parent in waiting for parent, _ in node.edges]):
                    outgoing = run_observed(node, outputs) if anomaly.enabled or observers else node.run(outputs)
            for slot, ((parent, parent_slot), gradient) in enumerate(zip(node.edges, outgoing, strict=True)):
                if parent not in waiting:
                    continue
                if gradient is not None:
                    deliver(arrived, parent, parent_slot, gradient, node.fresh_gradients, source=(node, slot))
                waiting[parent] -= 1
                if waiting[parent] == 0:
                    ready.append(parent)
            if not retain_graph:
                node.release()
    return [captured.get(edge) for edge in targets or ()]


def children_counts(roots: Sequence[Edge], targets: Sequence[Edge] | None) -> dict[Node, int]:
    """The nodes that the pass visits, each with the number of edges that lead to it from visited ones.

    With `targets` only nodes on a path to one of them are visited. Every node is asked first whether its saved
    values are still good, so that a pass that must fail does so before it has changed anything.
    """
    waiting = {root: 0 for root, _ in roots if root is not None}
    stack = list(waiting)
    while stack:
        for parent, _ in stack.pop().edges:
            if parent is None:
                continue
            if parent not in waiting:
                waiting[parent] = 0
                stack.append(parent)
            waiting[parent] += 1
    if targets is None:
        for node in waiting:
            node.check_usable()
        return waiting
    between = nodes_before(list(waiting), targets)
    waiting = {node: 0 for node in waiting if node in between}
    for node in waiting:
        parents = [parent for parent, _ in node.edges if parent in waiting]
        for parent in parents:
            waiting[parent] += 1
        if parents:
            node.check_usable()
    return waiting


def nodes_before(nodes: Sequence[Node], targets: Sequence[Edge]) -> set[Node]:
    """Those of `nodes` from which an edge leads, directly or through others, to one of `targets`, and these."""
    children: dict[Node, list[Node]] = {node: [] for node in nodes}
    for node in nodes:
        for parent, _ in node.edges:
            if parent is not None:
                children[parent].append(node)
    found: set[Node] = set()
    stack = [target for target, _ in targets if target is not None and target in children]
    while stack:
        reached = stack.pop()
        if reached not in found:
            found.add(reached)
            stack.extend(children[reached])
    return found


def deliver(
    arrived: Arrived, node: Node, slot: int, gradient: Tensor, fresh: bool, source: tuple[Node, int] | None = None
) -> None:
    """Add a gradient to those that have arrived at an output of `node`.

    The one place where a gradient gets its tensor's shape (summed over what broadcasting repeated) and dtype.
    `fresh` travels with it: nobody else holds its array.
    """
    shape, dtype, _ = node.outputs[slot]
    if gradient.shape != shape:
        gradient, fresh = sum_to_shape(gradient, shape, source), True
    if gradient.dtype != dtype:
        gradient, fresh = gradient.to(dtype), True
    slots = arrived.get(node)
    if slots is None:
        slots = arrived[node] = [(None, False)] * len(node.outputs)
    before = slots[slot][0]
    slots[slot] = (gradient, fresh) if before is None else (before + gradient, True)


def sum_to_shape(gradient: Tensor, shape: tuple[int, ...], source: tuple[Node, int] | None = None) -> Tensor:
    """`gradient` summed over the dimensions in which a tensor of `shape` was broadcast."""
    added = gradient.ndim - len(shape)
    wrong = added < 0 or any(
        [want not in (1, got) for want, got in zip(shape, gradient.shape[max(added, 0) :], strict=False)]
    )
    if wrong:
        origin = f"{source[0].name()} returned an invalid gradient at index {source[1]}" if source else "backward"
        raise RuntimeError(f"{origin}: got {list(gradient.shape)} but expected shape compatible with {list(shape)}")
    repeated = [d for d in range(gradient.ndim) if d < added or (shape[d - added] == 1 and gradient.shape[d] != 1)]
    if repeated:
        gradient = gradient.sum(repeated, keepdim=True)
    return gradient.reshape(shape)


def apply_hooks(node: Node, gradients: list[Any]) -> list[Any]:
    """The gradients that arrived, after the hooks on their tensors; `retain_grad` keeps them here."""
    for slot, hooks in (node.hooks or {}).items():
        for hook in list(hooks.values()):
            if gradients[slot] is not None:
                replaced = hook(gradients[slot])
                if replaced is not None:
                    gradients[slot] = replaced
    for slot, reference in (node.retained or {}).items():
        tensor = reference()
        if tensor is not None and gradients[slot] is not None:
            kept = gradients[slot] if tensor.grad is None else tensor.grad + gradients[slot]
            tensor.grad = kept
    return gradients


class _Running(threading.local):
    passes = 0  # of this thread, one within the other
    callbacks: tuple[Callable[[], None], ...] = ()


_running = _Running()


def queue_callback(callback: Callable[[], None]) -> None:
    """Have `callback` called when this thread's backward pass, the outermost, has ended; for hooks, which run in one.

    Raises:
        RuntimeError: no backward pass is running.
    """
    if not _running.passes:
        raise RuntimeError("queue_callback: no backward pass is running in this thread")
    _running.callbacks += (callback,)


@contextmanager
def calling_back() -> Iterator[None]:
    """Around a pass: calls what was queued, unless the pass has failed."""
    _running.passes += 1
    callbacks: tuple[Callable[[], None], ...] = ()
    try:
        yield
        if _running.passes == 1:
            callbacks = _running.callbacks
    finally:
        _running.passes -= 1
        if not _running.passes:
            _running.callbacks = ()
    for callback in callbacks:
        callback()


def observed_pass(waiting: dict[Node, int]) -> AbstractContextManager[Any]:
    """Around a pass: what the thread's observer, if it has one, wants to stand there."""
    observer = observing() if observers else None
    return nullcontext() if observer is None else observer.backward_pass(waiting)


def run_observed(node: Node, gradients: list[Any]) -> Iterable[Tensor | None]:
    """Run `node` in anomaly mode, if that is on, and before the eyes of the thread's observer, if it has one."""
    run = partial(run_checked, node) if anomaly.enabled else node.run
    observer = observing()
    return run(gradients) if observer is None else observer.step(node, gradients, run)


def run_checked(node: Node, gradients: list[Any]) -> Iterable[Tensor | None]:
    """Anomaly mode: run `node`; an error, or the first NaN, is shown with the line of its forward call."""
    made = "".join(node.trace.format()[-1:]) if node.trace else "  (recorded outside anomaly mode)"
    try:
        results = node.run(gradients)
    except Exception as error:
        error.add_note(f"{node.name()}: its forward was called at:\n{made.rstrip()}")
        raise
    for index, gradient in enumerate(results):
        if anomaly.check_nan and gradient is not None and (gradient.array != gradient.array).any():
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {index}th output. "
                f"Its forward was called at:\n{made.rstrip()}"
            )
    return results


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves that they were computed from.

    Args:
        tensors: a tensor or a sequence.
        grad_tensors: the weight of each; None for scalars, whose weight is 1.
        retain_graph: keep the saved values for another pass; None means only with `create_graph`.
        create_graph: record the pass, so that it can be differentiated in turn.
        inputs: the leaves whose gradients are wanted; None means all.

    Raises:
        RuntimeError: a saved value was changed or freed, a weight is missing or does not fit, or `inputs` is empty.

    Examples:
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> mg.autograd.backward(x * x, mg.tensor([1.0, 10.0]))
        >>> x.grad
        tensor([ 2., 40.])
    """
    roots, gradients = _prepare("backward", tensors, grad_tensors)
    retain_graph = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        backward_pass(roots, gradients, retain_graph, create_graph)
        return
    inputs = _as_sequence(inputs)
    if not inputs:
        raise RuntimeError("backward: `inputs` argument cannot be empty")
    edges = _target_edges("backward", inputs)
    results = backward_pass(roots, gradients, retain_graph, create_graph, edges)
    with set_grad_enabled(create_graph):
        for tensor, gradient in zip(inputs, results, strict=True):
            if gradient is not None:
                AccumulateGrad(tensor).accumulate(gradient, fresh=False)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of `outputs` with respect to `inputs`; nothing is accumulated.

    Args:
        outputs, inputs: tensors or sequences.
        grad_outputs: the weight of each output; None for scalars, whose weight is 1.
        retain_graph: keep the saved values for another pass; None means only with `create_graph`.
        create_graph: record the pass, so that it can be differentiated in turn.
        only_inputs: has no effect, as in PyTorch: nothing is ever accumulated.
        allow_unused: return None for an input that the outputs do not depend on.
        is_grads_batched: each weight has a dimension more, the first, over which it is a batch of weights; so has then
            each gradient. There is a pass for each of them.
        materialize_grads: return zeros for an input that the outputs do not depend on.

    Raises:
        RuntimeError: an input is not used, a saved value was changed or freed, or a weight does not fit.
        ValueError: `inputs` is empty, or the last two arguments exclude one another.

    Examples:
        The second derivative of x^3 at 2.

        >>> x = mg.tensor(2.0, requires_grad=True)
        >>> (first,) = mg.autograd.grad(x**3, x, create_graph=True)
        >>> mg.autograd.grad(first, x)
        (tensor(12.),)
    """
    if allow_unused is False and materialize_grads:
        raise ValueError("grad: expected allow_unused to be True or not passed when materialize_grads=True")
    inputs = _as_sequence(inputs)
    if not inputs:
        raise ValueError("grad requires non-empty inputs.")
    if is_grads_batched:
        options = create_graph, only_inputs, allow_unused, False, materialize_grads
        return _batched(_as_sequence(outputs), inputs, grad_outputs, retain_graph, options)
    roots, gradients = _prepare("grad", outputs, grad_outputs)
    edges = _target_edges("grad", inputs)
    retain_graph = create_graph if retain_graph is None else retain_graph
    results = backward_pass(roots, gradients, retain_graph, create_graph, edges)
    for index, (tensor, result) in enumerate(zip(inputs, results, strict=True)):
        if result is not None:
            continue
        if materialize_grads:
            results[index] = from_array(array_module(tensor.array).zeros_like(tensor.array))
        elif not allow_unused:
            raise RuntimeError(
                f"grad: input {index} of shape {list(tensor.shape)} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
    return tuple(results)


def _batched(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Any, retain_graph: bool | None, options: Any
) -> tuple[Tensor | None, ...]:
    """The gradients for each weight of a batch, stacked."""
    weights = () if weights is None else _as_sequence(weights)
    sizes = {weight.shape[0] if isinstance(weight, Tensor) and weight.ndim else 0 for weight in weights}
    if len(sizes) != 1 or 0 in sizes:
        raise RuntimeError("grad: with is_grads_batched=True grad_outputs must be batches of one size, not empty")
    create_graph = options[0]
    retain_graph = create_graph if retain_graph is None else retain_graph
    count = sizes.pop()
    passes = [
        grad(outputs, inputs, [weight[i] for weight in weights], retain_graph or i < count - 1, *options)
        for i in range(count)
    ]
    return tuple([_stacked(results) for results in zip(*passes, strict=True)])


def _stacked(results: Sequence[Any]) -> Tensor | None:
    """Gradients of one shape behind one another, or None if there are none."""
    if results[0] is None:
        return None
    whole: Any = from_array(array_module(results[0].array).empty((len(results), *results[0].shape), results[0].dtype))
    for index, result in enumerate(results):
        whole[index] = result
    return whole


def _prepare(operation: str, tensors: Any, grad_tensors: Any) -> tuple[list[Edge], list[Tensor]]:
    """The edges that a pass starts from and the gradients it starts with, checked."""
    tensors = _as_sequence(tensors)
    grad_tensors = [None] * len(tensors) if grad_tensors is None else _as_sequence(grad_tensors)
    if len(grad_tensors) != len(tensors):
        raise RuntimeError(f"{operation}: got {len(tensors)} tensors and {len(grad_tensors)} gradients")
    edges, gradients = [], []
    for index, (tensor, gradient) in enumerate(zip(tensors, grad_tensors, strict=True)):
        if not tensor.requires_grad:
            raise RuntimeError(
                f"{operation}: element {index} of tensors does not require grad and does not have a grad_fn"
            )
        if gradient is None:
            if tensor.numel() != 1:
                raise RuntimeError(
                    f"{operation}: grad can be implicitly created only for scalar outputs, got shape "
                    f"{list(tensor.shape)}; pass a gradient of that shape"
                )
            gradient = from_array(array_module(tensor.array).ones(tensor.shape, tensor.dtype))
        elif not isinstance(gradient, Tensor):
            raise TypeError(f"{operation}: gradients can be either Tensors or None, got {type(gradient).__name__}")
        elif gradient.shape != tensor.shape:
            raise RuntimeError(
                f"{operation}: Mismatch in shape: grad_output[{index}] has a shape of {list(gradient.shape)} "
                f"and output[{index}] has a shape of {list(tensor.shape)}."
            )
        elif gradient.device != tensor.device:
            raise RuntimeError(
                f"{operation}: gradient {index} lies on {gradient.device}; expected {tensor.device}, as its tensor"
            )
        edges.append(gradient_edge(tensor))
        gradients.append(gradient)
    return edges, gradients


def _target_edges(operation: str, inputs: Sequence[Tensor]) -> list[Edge]:
    for index, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise RuntimeError(f"{operation}: input {index} does not require grad")
    return [gradient_edge(tensor) for tensor in inputs]


def _as_sequence(tensors: Any) -> Sequence[Any]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
