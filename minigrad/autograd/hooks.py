"""Watching gradients: hooks on tensors, and keeping the gradient of a tensor that is not a leaf."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable

from minigrad.tensor import Tensor

_keys = itertools.count()


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away; as a context manager, at its end."""

    def __init__(self, hooks: dict[int, Callable], hook: Callable):
        self._hooks, self._key = hooks, next(_keys)
        hooks[self._key] = hook

    def remove(self) -> None:
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info) -> None:
        self.remove()


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` whenever the gradient of `tensor` is computed; what it returns, if not None, replaces it."""
    if not callable(hook):
        raise TypeError(f"register_hook: the hook must be callable, got {type(hook).__name__}")
    if not tensor.requires_grad:
        raise RuntimeError("register_hook: cannot register a hook on a tensor that doesn't require gradient")
    if tensor._node is None:
        if tensor.grad_hooks is None:
            tensor.grad_hooks = {}
        return RemovableHandle(tensor.grad_hooks, hook)
    node = tensor._node
    if node.hooks is None:
        node.hooks = {}
    return RemovableHandle(node.hooks.setdefault(tensor._slot, {}), hook)


def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient of a tensor that an operation made in its `.grad`, as a leaf's is."""
    if not tensor.requires_grad:
        raise RuntimeError("retain_grad: can't retain_grad on Tensor that has requires_grad=False")
    node = tensor._node
    if node is None:
        return  # a leaf's gradient is kept anyway
    if node.retained is None:
        node.retained = {}
    node.retained[tensor._slot] = weakref.ref(tensor)
