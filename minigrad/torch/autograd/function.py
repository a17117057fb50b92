"""`torch.autograd.function`: `Function`, and `once_differentiable`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from minigrad.autograd import Function, no_grad
from minigrad.autograd import function as _engine
from minigrad.tensor import Tensor
from minigrad.torch.facade import face


class _Refused(Function):
    """Gradients handed on, whose own derivative is asked for in vain."""

    @staticmethod
    def forward(ctx: Any, *values: Any) -> tuple[Any, ...]:
        return tuple([value.detach() if isinstance(value, Tensor) else value for value in values])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Let a `backward` compute its gradients unrecorded; a second derivative through it is an error, not a 0."""

    @wraps(fn)
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        with no_grad():
            result = fn(ctx, *grad_outputs)
        if not any([isinstance(gradient, Tensor) and gradient.requires_grad for gradient in grad_outputs]):
            return result
        gradients = result if isinstance(result, tuple) else (result,)
        # Each is an argument that requires a gradient, so that its derivative is asked for.
        refused = _Refused.apply(*[
            gradient.detach().requires_grad_() if isinstance(gradient, Tensor) else gradient for gradient in gradients
        ])  # fmt: skip
        return refused if isinstance(result, tuple) else refused[0]

    return backward


__all__ = ["Function", "once_differentiable"]
__getattr__, __dir__ = face(__name__, _engine)
