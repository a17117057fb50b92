"""Watching gradients: hooks on tensors, and keeping the gradient of a tensor that is not a leaf."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from minigrad.tensor import Tensor

_keys = itertools.count()


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away; as a context manager, at its end."""

    def __init__(self, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]):
        self._hooks, self._key = hooks, next(_keys)
        hooks[self._key] = hook

    def remove(self) -> None:
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.remove()


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call a function with the tensor's gradient whenever it is computed.

    Args:
        tensor: a tensor that requires grad.
        hook: ``hook(grad)``; a result that is not None replaces the gradient.

    Returns:
        A handle with `remove()`.

    Raises:
        TypeError: the hook is not callable.
        RuntimeError: the tensor does not require grad.

    Examples:
        >>> x = mg.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
    """
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


def register_post_accumulate_grad_hook(tensor: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call a function with a leaf whenever a backward pass has added to its `.grad`.

    Args:
        tensor: a leaf that requires grad.
        hook: ``hook(tensor)``; it may use the gradient and set ``tensor.grad`` to None.

    Returns:
        A handle with `remove()`.

    Raises:
        TypeError: the hook is not callable.
        RuntimeError: the tensor does not require grad, or is not a leaf.

    Examples:
        A step of gradient descent within the backward pass, which then needs no memory for the gradient.

        >>> def descend(x):
        ...     with mg.no_grad():
        ...         x -= 0.5 * x.grad
        ...     x.grad = None
        >>> x = mg.ones(2, requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(descend)
        >>> x.sum().backward()
        >>> x
        tensor([0.5000, 0.5000], requires_grad=True)
    """
    name = "register_post_accumulate_grad_hook"
    if not callable(hook):
        raise TypeError(f"{name}: the hook must be callable, got {type(hook).__name__}")
    if not tensor.requires_grad:
        raise RuntimeError(f"{name}: cannot register a hook on a tensor that doesn't require gradient")
    if tensor._node is not None:
        raise RuntimeError(f"{name}: post accumulate grad hooks cannot be registered on non-leaf tensors")
    if tensor.accumulated_hooks is None:
        tensor.accumulated_hooks = {}
    return RemovableHandle(tensor.accumulated_hooks, hook)


def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient of `tensor`, which an operation made, in its `.grad`, as for a leaf.

    Raises:
        RuntimeError: the tensor does not require grad.

    Examples:
        >>> x = mg.ones(2, requires_grad=True)
        >>> y = x * 3
        >>> y.retain_grad()
        >>> y.sum().backward()
        >>> y.grad
        tensor([1., 1.])
    """
    if not tensor.requires_grad:
        raise RuntimeError("retain_grad: can't retain_grad on Tensor that has requires_grad=False")
    node = tensor._node
    if node is None:
        return  # a leaf's gradient is kept anyway
    if node.retained is None:
        node.retained = {}
    node.retained[tensor._slot] = weakref.ref(tensor)
