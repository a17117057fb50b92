"""Fused operations: a kernel to run, and a definition in simpler operations to read and to differentiate."""

from __future__ import annotations

from minigrad.autograd.backward import grad
from minigrad.autograd.function import Function, Saved
from minigrad.autograd.grad_mode import enable_grad, is_grad_enabled
from minigrad.tensor import Tensor


class FusedFunction(Function):
    """An operation told twice: `forward` and `fused_backward` run kernels, `definition` says what they compute.

    ``definition(*args)`` takes forward's arguments and is written in simpler operations. First-order gradients
    come from `fused_backward`; where a graph of the gradient is wanted, the definition is differentiated.
    """

    @staticmethod
    def definition(*args) -> Tensor:
        """The operation in simpler ones, as a textbook writes it; returns the differentiable output."""
        raise NotImplementedError

    @staticmethod
    def fused_backward(ctx, *grad_outputs):
        """As `Function.backward`, by kernels: never recorded."""
        raise NotImplementedError

    def _record(self, args: tuple, outputs: tuple) -> None:
        super()._record(args, outputs)
        self._arguments = tuple([Saved(a) if isinstance(a, Tensor) else a for a in args])

    @staticmethod
    def backward(ctx, *grad_outputs):
        """`fused_backward`, or where a graph of the gradient is wanted, the definition's gradient."""
        if not is_grad_enabled():
            return type(ctx).fused_backward(ctx, *grad_outputs)
        arguments = [a.unpack(ctx) if isinstance(a, Saved) else a for a in ctx._arguments]
        with enable_grad():
            wanted = [a for a, need in zip(arguments, ctx.needs_input_grad, strict=True) if need]
            output = type(ctx).definition(*arguments)
            gradients = iter(grad(output, wanted, grad_outputs[0], create_graph=True, allow_unused=True))
        return tuple([next(gradients) if need else None for need in ctx.needs_input_grad])
