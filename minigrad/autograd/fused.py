"""Fused operations: a kernel to run, and a definition in simpler operations to read and to differentiate."""

from __future__ import annotations

from typing import Any

from minigrad.autograd.backward import grad
from minigrad.autograd.function import Context, Function, Gradients
from minigrad.autograd.grad_mode import enable_grad, is_grad_enabled
from minigrad.autograd.saved import Saved, keep
from minigrad.tensor import Tensor


class FusedFunction(Function):
    """An operation with a kernel for its value and gradient, and a definition in simpler operations.

    ``definition(*args)`` takes forward's arguments. First-order gradients come from `fused_backward`; where a graph of
    the gradient is wanted, the definition is differentiated.

    Examples:
        >>> class Square(mg.autograd.FusedFunction):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return mg.from_numpy(x.array**2)
        ...
        ...     @staticmethod
        ...     def definition(x):
        ...         return x * x
        ...
        ...     @staticmethod
        ...     def fused_backward(ctx, grad_output):
        ...         (x,) = ctx.saved_tensors
        ...         return mg.from_numpy(2 * x.array * grad_output.array)
        >>> mg.autograd.gradgradcheck(Square.apply, mg.randn(3, dtype=mg.float64, requires_grad=True))
        True
    """

    @staticmethod
    def definition(*args: Any, **kwargs: Any) -> Tensor:
        """Compute the differentiable output from simpler operations, as a textbook does.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    @staticmethod
    def fused_backward(ctx: Context, *grad_outputs: Any, **kwargs: Any) -> Gradients:
        """Compute what `Function.backward` does, by kernels; it is never recorded.

        Args:
            ctx: the node that forward was given.
            grad_outputs: the gradients of the results.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    def _record(self, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        super()._record(args, outputs)
        self._arguments = tuple([self._kept(a) if isinstance(a, Tensor) else a for a in args])

    def _kept(self, argument: Tensor) -> Saved:
        """An argument as forward saved it, else saved now."""
        for saved in self._saved:
            if isinstance(saved, Saved) and saved.slot is None and saved.is_of(argument):
                return saved
        return keep(argument)

    def release(self) -> None:
        """Free the arguments too."""
        super().release()
        if any([isinstance(argument, Saved) for argument in self._arguments]):
            self._arguments, self._released = (), True

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> Gradients:
        """Call `fused_backward`, or differentiate the definition where a graph of the gradient is wanted.

        Args:
            ctx: the node that forward was given.
            grad_outputs: the gradients of the results.
        """
        if not is_grad_enabled():
            return type(ctx).fused_backward(ctx, *grad_outputs)
        arguments = [a.unpack(ctx) if isinstance(a, Saved) else a for a in ctx._arguments]
        with enable_grad():
            # By views of the arguments, each its own: one argument may be computed from another, or be the same tensor,
            # and what passes through the one must not count for the other.
            arguments = [
                a.view(a.shape) if need else a for a, need in zip(arguments, ctx.needs_input_grad, strict=True)
            ]
            wanted = [a for a, need in zip(arguments, ctx.needs_input_grad, strict=True) if need]
            output = type(ctx).definition(*arguments)
            gradients = iter(grad(output, wanted, grad_outputs[0], create_graph=True, allow_unused=True))
        return tuple([next(gradients) if need else None for need in ctx.needs_input_grad])
