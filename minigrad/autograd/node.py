"""What the tape is made of: nodes, and the edges between them."""

from __future__ import annotations

import traceback
import weakref
from typing import Any, ClassVar

from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.observer import observers, observing
from minigrad.tensor import Tensor, from_array

Edge = tuple["Node | None", int]  # the node that made a tensor, and which of its outputs the tensor was
NO_EDGE: Edge = (None, 0)  # of a tensor that needs no gradient
NOT_A_TENSOR: Edge = (None, -1)  # of an argument that is a plain value


class Node:
    """One recorded operation: what it saved, and an edge for each input that needs a gradient."""

    fresh_gradients: ClassVar[bool] = False  # its gradients are new arrays: a leaf may keep one without a copy

    # Defaults stand on the class: a node is made at every operation, recorded or not.
    edges: tuple[Edge, ...] = ()
    outputs: tuple[tuple[tuple[int, ...], Any, Any], ...] = ()  # shape, dtype and (of several) device
    hooks: dict[int, dict[int, Any]] | None = None  # output slot -> hooks on that gradient
    retained: dict[int, weakref.ref[Any]] | None = None  # output slot -> tensor that wants its gradient kept
    trace: traceback.StackSummary | None = None  # where forward was called, in anomaly mode

    def name(self) -> str:
        """PyTorch's name of the node, ``MulBackward0`` for `Mul`."""
        return f"{type(self).__name__}Backward0"

    @property
    def next_functions(self) -> tuple[Edge, ...]:
        """The edges towards the leaves, one for each tensor that forward was given."""
        return tuple([edge for edge in self.edges if edge != NOT_A_TENSOR])

    def check_usable(self) -> None:
        """Raise RuntimeError if a saved value was freed or overwritten since forward."""

    def run(self, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs from those of the outputs."""
        raise NotImplementedError

    def release(self) -> None:
        """Free what was saved for backward."""

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class AccumulateGrad(Node):
    """Where the tape ends: adds what arrives to a leaf's `.grad`."""

    def __init__(self, variable: Tensor):
        self.variable = variable
        self.outputs = ((variable.shape, variable.dtype, None),)

    @property
    def hooks(self) -> dict[int, dict[int, Any]] | None:  # type: ignore[override]
        """The leaf's own, for this node comes and goes with the graph."""
        return {0: self.variable.grad_hooks} if self.variable.grad_hooks else None

    def name(self) -> str:
        return "AccumulateGrad"

    def accumulate(self, gradient: Tensor, fresh: bool) -> None:
        """Add `gradient` to the leaf's; `fresh` says that nobody else holds its array."""
        if observers and (observer := observing()) is not None:
            observer.accumulate(self, gradient, fresh)
        else:
            self.add(gradient, fresh)

    def add(self, gradient: Tensor, fresh: bool) -> None:
        """As `accumulate`, which tells the thread's observer first."""
        leaf = self.variable
        if is_grad_enabled():  # create_graph: the sum itself is differentiable
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient
        elif leaf.grad is None:
            leaf.grad = from_array(gradient.array if fresh else gradient.array.copy())
        elif leaf.grad.requires_grad:
            leaf.grad = leaf.grad + gradient
        else:
            leaf.grad.array += gradient.array
            leaf.grad._bump_version()
        for hook in tuple((leaf.accumulated_hooks or {}).values()):
            hook(leaf)


def gradient_edge(tensor: Tensor) -> Edge:
    """Where the gradient of `tensor`, which requires one, goes: to the node that made it, or into the leaf itself."""
    if tensor._node is not None:
        return tensor._node, tensor._slot
    # The leaf holds its end of the tape weakly, so that a dropped graph leaves nothing behind.
    accumulator = tensor._accumulator and tensor._accumulator()
    if accumulator is None:
        accumulator = AccumulateGrad(tensor)
        tensor._accumulator = weakref.ref(accumulator)
    return accumulator, 0
