"""Functions that are called before and after the steps of one optimizer, or of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from minigrad.autograd.hooks import RemovableHandle

_before_all: dict[int, Callable[..., Any]] = {}
_after_all: dict[int, Callable[..., Any]] = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before each step of every optimizer.

    Args:
        hook: what it returns, if not None, is a pair (args, kwargs) that replaces those of `step`; `args` begins with
            the optimizer.
    """
    return RemovableHandle(_before_all, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after each step of every optimizer.

    Args:
        hook: `args` begins with the optimizer; what the hook returns is ignored.
    """
    return RemovableHandle(_after_all, hook)


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` with the hooks around it."""

    @wraps(step)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (_before_all or _after_all or self._step_pre_hooks or self._step_post_hooks):
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in (*_before_all.values(), *self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{type(self).__name__}.step: a pre-hook must return None or a tuple of (new_args, "
                        f"new_kwargs), but got {changed}"
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in (*self._step_post_hooks.values(), *_after_all.values()):
            hook(self, args, kwargs)
        return result

    return hooked
