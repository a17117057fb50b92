"""Calling a module that has hooks: before forward, after forward, and around its backward."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minigrad.autograd import Function, is_grad_enabled
from minigrad.autograd.function import Context
from minigrad.autograd.hooks import RemovableHandle
from minigrad.tensor import Tensor


class Hook(NamedTuple):
    """A forward hook and how it wants to be called."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


def register(hooks: OrderedDict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    """Put `hook` after, or with `prepend` before, those that are there."""
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(next(reversed(hooks)), last=False)
    return handle


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward(*args, **kwargs)` with every hook of the module in its place."""
    result = None
    called = set()
    try:
        args, kwargs = _run_forward_pre_hooks(module, args, kwargs)
        backward = None
        if module._backward_hooks or module._backward_pre_hooks:
            backward = _BackwardHooks(module)
            args = backward.watch_inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in list(module._forward_hooks.items()):
            called.add(key)
            result = _run_forward_hook(hook, module, args, kwargs, result)
        return backward.watch_outputs(result) if backward else result
    except Exception:
        for key, hook in list(module._forward_hooks.items()):
            if hook.always_call and key not in called:
                try:
                    result = _run_forward_hook(hook, module, args, kwargs, result)
                except Exception as error:
                    warnings.warn(
                        f"a forward hook of {type(module).__name__} raised {error!r} after forward failed",
                        stacklevel=3,
                    )
        raise


def _run_forward_pre_hooks(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for hook in list(module._forward_pre_hooks.values()):
        if hook.with_kwargs:
            changed = hook.function(module, args, kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                )
            args, kwargs = changed
        else:
            changed = hook.function(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    return args, kwargs


def _run_forward_hook(hook: Hook, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    changed = hook.function(module, args, kwargs, result) if hook.with_kwargs else hook.function(module, args, result)
    return result if changed is None else changed


class _Watch(Function):
    """The identity; its backward passes the gradients to `observe`, and continues with what that returns."""

    @staticmethod
    def forward(ctx: Context, observe: Any, *tensors: Any) -> Any:
        ctx.observe = observe
        return tensors

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> Any:
        gradients = [
            gradient if needed else None
            for gradient, needed in zip(grad_outputs, ctx.needs_input_grad[1:], strict=True)
        ]
        return None, *ctx.observe(gradients)


class _BackwardHooks:
    """The backward hooks of one call of a module.

    Two identities enclose the call. In backward the one at the outputs is reached first and keeps
    `grad_output`; the one at the inputs then has `grad_input` too and runs the hooks.
    """

    def __init__(self, module: Any):
        self.module = module
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.hooks = list(module._backward_hooks.values())
        self.grad_output: tuple[Any, ...] | None = None
        self.watches_inputs = False
        self.n_inputs = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        watched, self.watches_inputs = self._watch(args, self._at_inputs)
        return watched

    def watch_outputs(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            return self._watch((result,), self._at_outputs)[0][0]
        if isinstance(result, tuple):
            return self._watch(result, self._at_outputs)[0]
        warnings.warn(
            "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
            f"but received {type(result)}",
            stacklevel=4,
        )
        return result

    def _watch(self, values: tuple[Any, ...], observe: Callable[..., Any]) -> tuple[tuple[Any, ...], bool]:
        """Pass the tensors among `values` through the identity; the others are None to `observe`."""
        places = [place for place, value in enumerate(values) if isinstance(value, Tensor)]
        if not (is_grad_enabled() and any(values[place].requires_grad for place in places)):
            return values, False

        def observe_tensors(gradients: Sequence[Any]) -> list[Any]:
            everything = [None] * len(values)
            for place, gradient in zip(places, gradients, strict=True):
                everything[place] = gradient
            seen = observe(tuple(everything))
            return [seen[place] for place in places]

        watched = list(values)
        tensors = _Watch.apply(observe_tensors, *(values[place] for place in places))
        for place, tensor in zip(places, tensors, strict=True):
            if values[place].requires_grad:
                watched[place] = tensor
        if hasattr(values, "_fields"):
            return type(values)(*watched), True
        return tuple(watched), True

    def _at_outputs(self, grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_output)
            grad_output = _replaced("Backward pre hook", "grad_output", grad_output, changed)
        self.grad_output = grad_output
        if not self.watches_inputs:
            for hook in self.hooks:
                changed = hook(self.module, (None,) * self.n_inputs, grad_output)
                if changed is not None and any(gradient is not None for gradient in changed):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None for all gradients."
                    )
            self.grad_output = None
        return grad_output

    def _at_inputs(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_output is None:  # the gradient came round the module's outputs, as in double backward
            return grad_input
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            grad_input = _replaced("Backward hook", "grad_input", grad_input, changed)
        self.grad_output = None
        return grad_input


def _replaced(kind: str, what: str, gradients: tuple[Any, ...], changed: Any) -> tuple[Any, ...]:
    if changed is None:
        return gradients
    changed = (changed,) if isinstance(changed, Tensor) else tuple(changed)
    if len(changed) != len(gradients):
        raise RuntimeError(
            f"{kind} returned an invalid number of {what}, got {len(changed)}, but expected {len(gradients)}"
        )
    return changed
