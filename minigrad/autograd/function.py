"""Operations and the nodes that record them.

``Mul.apply(x, y)`` makes a node, runs `forward` with it as `ctx`, and sets it as the result's `grad_fn`. The node
points to the nodes that made `x` and `y`: these pointers, from the results back to the leaves, are the whole tape. The
engine's own operations are written exactly as a user writes them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from numbers import Number
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from minigrad.autograd.anomaly import anomaly
from minigrad.autograd.grad_mode import enable_grad, state
from minigrad.autograd.node import NO_EDGE, NOT_A_TENSOR, Node, gradient_edge
from minigrad.autograd.numpy_warnings import ignored_warnings, warnings
from minigrad.autograd.observer import observers, observing
from minigrad.autograd.saved import Saved, keep
from minigrad.device import arrays_on
from minigrad.storage import same_memory
from minigrad.tensor import Tensor, from_array

# The node as forward and backward see it: they leave each other whatever attributes they like on it.
Context: TypeAlias = Any
# What backward returns: a gradient, or None, for the argument of forward, or for each of several.
Gradients: TypeAlias = "Tensor | None | tuple[Tensor | None, ...]"
_PACKAGE = str(Path(__file__).parent.parent)


forwards: dict[type[Function], Callable[..., Any]] = {}
"""Other ways to compute an operation that has a `setup_context`: called as ``(ctx, *args)`` in place of its forward."""


class Function(Node):
    """An operation with its derivative; a subclass defines the static methods `forward` and `backward`.

    ``forward(ctx, *args)`` is given tensors and plain values and returns a tensor or a tuple of them; it is not
    recorded. ``backward(ctx, *grad_outputs)`` returns a gradient, or None, for each argument of forward. It is
    recorded when a graph of the gradient is wanted: written in differentiable operations it gives higher derivatives
    too. A gradient may have the shape that broadcasting gave; the engine sums it. As in PyTorch, ``forward(*args)``
    with ``setup_context(ctx, inputs, output)`` is accepted too.

    Examples:
        >>> class Cube(mg.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x * x * grad_output
        >>> x = mg.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    is_view: ClassVar[bool] = False  # the output shares its input's memory, if the arrays allow it

    needs_input_grad: tuple[bool, ...] = ()
    _materialize = True
    _dirty: tuple[Tensor, ...] = ()
    _non_differentiable: tuple[Tensor, ...] = ()
    _saved: tuple[Any, ...] = ()
    _recorded = False
    _released = False

    @staticmethod
    def forward(ctx: Context, *args: Any, **kwargs: Any) -> Any:
        """Compute the result, a tensor or a tuple of tensors, from the arguments; nothing in it is recorded.

        Args:
            ctx: the node, which stores what backward needs.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError("Function: a subclass must define forward as a static method")

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Any, **kwargs: Any) -> Gradients:
        """Compute a gradient, or None, for each argument of forward.

        Args:
            ctx: the node that forward was given.
            grad_outputs: the gradients of the results.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError("Function: a subclass must define backward as a static method to be differentiable")

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        """Store in `ctx` what backward needs of `inputs` and `output`; forward is then called without ctx.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    def save_for_backward(self, *tensors: Tensor | float | None) -> None:
        """Store inputs or outputs for backward; writes into them are noticed, and they are freed when used.

        Args:
            tensors: tensors; None and Python numbers, which an operand may be, are stored as they are. Nothing is
                stored where nothing is recorded.

        Raises:
            TypeError: a value is none of these.
        """
        if not self._recorded:
            return
        for tensor in tensors:
            if not (isinstance(tensor, Tensor) or tensor is None or isinstance(tensor, Number)):
                raise TypeError(f"save_for_backward can only save tensors, but got {type(tensor).__name__}")
        self._saved = tuple([keep(tensor) if isinstance(tensor, Tensor) else tensor for tensor in tensors])

    def keep_values(self, tensor: Tensor) -> None:
        """Save a copy of `tensor`, which the operation that this node records is about to overwrite."""
        for saved in self._saved:
            if isinstance(saved, Saved) and saved.is_of(tensor):
                saved.keep_values()

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` kept; RuntimeError if it was freed or has changed since."""
        self._check_not_released()
        return tuple([saved.unpack(self) if isinstance(saved, Saved) else saved for saved in self._saved])

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Declare that the output `tensors` have no gradient."""
        self._non_differentiable = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Declare that forward wrote into the input `tensors`; it must return them."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Choose, by `value`, whether backward is given zeros (True) or None for an output without gradient."""
        self._materialize = value

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward; if an argument requires grad and this thread records, record the operation."""
        if observers and (observer := observing()) is not None:
            return observer.operation(cls, args)
        ctx = cls()
        if state.enabled:
            ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
            ctx._recorded = True in ctx.needs_input_grad
            state.enabled = False
            try:
                result = ctx._compute(args)
            finally:
                state.enabled = True
        else:
            ctx.needs_input_grad = (False,) * len(args)
            result = ctx._compute(args)
        outputs = result if isinstance(result, tuple) else (result,)
        if _share_a_tensor(args, outputs):
            outputs = ctx._aliases(args, outputs)
        if cls.is_view:
            _link_view(cls, args, outputs[0])
        if ctx._recorded:
            ctx._record(args, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _compute(self, args: tuple[Any, ...]) -> Any:
        """What forward returns."""
        if not warnings.ignored:
            with ignored_warnings():
                return self._compute(args)
        cls = type(self)
        if cls.setup_context is Function.setup_context:
            return cls.forward(self, *args)
        other = forwards.get(cls) if forwards else None
        result = cls.forward(*args) if other is None else other(self, *args)
        cls.setup_context(self, args, result)
        return result

    def _record(self, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        """Point this node at its inputs' nodes, and the outputs at this node."""
        self.edges = tuple([
            gradient_edge(a) if need else NO_EDGE if isinstance(a, Tensor) else NOT_A_TENSOR
            for a, need in zip(args, self.needs_input_grad, strict=True)
        ])  # fmt: skip
        several = len(outputs) > 1
        self.outputs = tuple([
            (o.shape, o.dtype, o.device if several else None) if isinstance(o, Tensor) else ((), None, None)
            for o in outputs
        ])  # fmt: skip
        if anomaly.enabled:
            self.trace = _callers_stack()
        for slot, output in enumerate(outputs):
            if not isinstance(output, Tensor) or output.dtype.kind != "f":
                continue
            if self._non_differentiable and any([output is tensor for tensor in self._non_differentiable]):
                continue
            for saved in self._saved:
                if isinstance(saved, Saved) and saved.is_of(output):
                    saved.becomes_output(slot)
            output._requires_grad, output._node, output._slot = True, self, slot
        if self._non_differentiable:
            self._non_differentiable = ()

    def _aliases(self, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Outputs that are inputs: written ones take the new history, others are handed on as a new tensor."""
        for tensor in self._dirty:
            if tensor._base is not None:
                raise RuntimeError(f"{self.name()}: mark_dirty on a view is not supported; write into its base")
            if tensor.requires_grad and tensor._node is None and state.enabled:
                raise RuntimeError(
                    f"{self.name()}: a leaf tensor that requires grad is being used in an in-place operation"
                )
            tensor._bump_version()
        written = self._dirty
        self._dirty = ()  # a tensor points to its node: the node must not point back
        return tuple(
            [
                output._alias()
                if any([output is a for a in args]) and not any([output is d for d in written])
                else output
                for output in outputs
            ]
        )

    def check_usable(self) -> None:
        self._check_not_released()
        for saved in self._saved:
            if isinstance(saved, Saved):
                saved.check(self)

    def _check_not_released(self) -> None:
        if self._released:
            raise RuntimeError(
                f"{self.name()}: trying to backward through the graph a second time, but its saved values were freed "
                "the first time; pass retain_graph=True to the first backward"
            )

    def run(self, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
        if self._materialize:
            gradients = [
                from_array(arrays_on(where).zeros(shape, dtype)) if gradient is None and dtype is not None else gradient
                for gradient, (shape, dtype, where) in zip(gradients, self.outputs, strict=True)
            ]
        result = type(self).backward(self, *gradients)
        if not isinstance(result, tuple):
            result = (result,)
        count = len(self.edges)
        if len(result) < count or any([gradient is not None for gradient in result[count:]]):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {count}, got {len(result)})"
            )
        return result[:count]

    def release(self) -> None:
        """Free the saved tensors and the arrays that forward left on ctx; a node that kept none may run again."""
        if any([isinstance(saved, Saved) for saved in self._saved]):
            self._saved, self._released = (), True
        for name, value in tuple(self.__dict__.items()):
            if getattr(value, "strides", ()):  # an array, and more than a number
                del self.__dict__[name]
                self._released = True


def _callers_stack() -> traceback.StackSummary:
    """The stack down to the line of the user's code that called into minigrad."""
    frames = traceback.extract_stack()
    return traceback.StackSummary.from_list([f for f in frames if not f.filename.startswith(_PACKAGE)] or frames)


def _link_view(cls: type[Function], args: tuple[Any, ...], output: Tensor) -> None:
    """Let a view remember its base and how it is taken from it, so that a write into one reaches the other."""
    source = args[0]
    if not same_memory(output.array, source.array):
        return  # the arrays did not allow a view: this is a copy
    outer, rest = source._replay, args[1:]

    def replay(base: Tensor) -> Tensor:
        with enable_grad():
            return cls.apply(base if outer is None else outer(base), *rest)

    output._version, output._replay = source._version, replay
    output._base = source if source._base is None else source._base
    output._base_node = output._base._node


def _share_a_tensor(args: tuple[Any, ...], outputs: tuple[Any, ...]) -> bool:
    """Whether one of the outputs is an argument."""
    for output in outputs:
        for argument in args:
            if argument is output and output is not None:
                return True
    return False
