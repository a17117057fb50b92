"""Gradient checkpointing: trade time for memory by running a segment's forward once more in its backward.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.autograd.backward import children_counts, grad
from minigrad.autograd.function import Context, Function, Gradients
from minigrad.autograd.grad_mode import enable_grad, is_grad_enabled
from minigrad.autograd.node import AccumulateGrad
from minigrad.generator import default_generator
from minigrad.tensor import Tensor, from_array

TENSOR = object()
"""In place of a tensor among the arguments that a node remembers: the tensors it saves, and frees."""


class Entrance(Function):
    """An input of the segment in a recorded pass: the segment's own pass ends here, later ones go on to the input."""

    is_view = True
    open = False

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        return from_array(x.array)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output if ctx.open else None


class Checkpoint(Function):
    """``function(*args)`` without its tape, TENSOR standing in `args` for the first `count` of the tensors.

    The rest of `tensors` are the parameters that the function reaches for by itself.
    """

    @staticmethod
    def forward(
        ctx: Context,
        outputs: tuple[Tensor, ...],
        rerun: Callable[..., Any],
        args: tuple[Any, ...],
        count: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.rerun, ctx.args, ctx.count = rerun, args, count
        ctx.save_for_backward(*tensors)
        detached = tuple([output.detach() for output in outputs])
        ctx.mark_non_differentiable(*[d for d, o in zip(detached, outputs, strict=True) if not o.requires_grad])
        return detached

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> Gradients:
        tensors = ctx.saved_tensors
        inputs, leaves = tensors[: ctx.count], tensors[ctx.count :]
        # The segment's own pass ends at its inputs: what lies before them is the outer pass's affair.
        cut = Entrance.apply if is_grad_enabled() else _cut
        with enable_grad():
            inputs = tuple([cut(t) if isinstance(t, Tensor) else t for t in inputs])
            outputs = ctx.rerun(*_fill(ctx.args, inputs))
        needs = ctx.needs_input_grad[4:]
        wanted = [t for t, need in zip((*inputs, *leaves), needs, strict=True) if need]
        entrances = [t.grad_fn for t in inputs if isinstance(t, Tensor) and isinstance(t.grad_fn, Entrance)]
        pairs = [(o, g) for o, g in zip(outputs, grad_outputs, strict=True) if o.requires_grad]
        gradients = iter(
            grad(
                [output for output, _ in pairs],
                wanted,
                [gradient for _, gradient in pairs],
                create_graph=is_grad_enabled(),
                allow_unused=True,
            )
        )
        for entrance in entrances:
            entrance.open = True
        return None, None, None, None, *[next(gradients) if need else None for need in needs]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping its saved values; backward computes them again when it needs them.

    It works with `autograd.grad`, `inputs=` and `create_graph`, so that PyTorch's re-entrant variant is not needed.

    Args:
        function: the function.
        args, kwargs: its arguments.
        use_reentrant: accepted for PyTorch's sake.
        preserve_rng_state: draw the same random numbers again.

    Raises:
        TypeError: `function` is not callable.

    Source: Chen et al., "Training deep nets with sublinear memory cost" (2016).

    Examples:
        >>> x = mg.ones(2, requires_grad=True)
        >>> mg.autograd.checkpoint(lambda x: x.exp().sin(), x).sum().backward()
        >>> x.grad
        tensor([-2.4784, -2.4784])
    """
    if not callable(function):
        raise TypeError(f"checkpoint: expected a function, got {type(function).__name__}")
    state = default_generator.get_state()

    def rerun(*arguments: Any) -> Any:
        now = default_generator.get_state()
        if preserve_rng_state:
            default_generator.set_state(state)
        try:
            result = function(*arguments, **kwargs)
        finally:
            if preserve_rng_state:
                default_generator.set_state(now)
        return result if isinstance(result, tuple) else (result,)

    if not is_grad_enabled():
        return function(*args, **kwargs)
    tensors = [_cut(a) if isinstance(a, Tensor) else a for a in args]
    result = function(*tensors, **kwargs)
    outputs = result if isinstance(result, tuple) else (result,)
    inputs = tuple([a for a in args if isinstance(a, Tensor)])
    rest = tuple([TENSOR if isinstance(a, Tensor) else a for a in args])
    detached = Checkpoint.apply(outputs, rerun, rest, len(inputs), *inputs, *_leaves(outputs, exclude=tensors))
    return detached if isinstance(result, tuple) else detached[0]


def _leaves(outputs: tuple[Any, ...], exclude: list[Any]) -> list[Tensor]:
    """The leaves that the tape of `outputs` ends in, in the order in which the tape names them."""
    roots = [(output._node, output._slot) for output in outputs if output.requires_grad]
    nodes = children_counts(roots, None)
    leaves = [node.variable for node in nodes if isinstance(node, AccumulateGrad)]
    return [leaf for leaf in leaves if not any([leaf is tensor for tensor in exclude])]


def _cut(tensor: Tensor) -> Tensor:
    """`tensor` as a leaf of its own."""
    leaf = tensor.detach()
    leaf._requires_grad = tensor.requires_grad
    return leaf


def _fill(args: tuple[Any, ...], tensors: tuple[Any, ...]) -> list[Any]:
    """`args` with `tensors`, in order, in the places of tensors."""
    rest = iter(tensors)
    return [next(rest) if a is TENSOR else a for a in args]
