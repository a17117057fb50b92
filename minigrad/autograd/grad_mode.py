"""Whether operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`.

The mode belongs to the calling thread, as PyTorch's does: a loader's thread cannot switch off a training loop's.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar, cast, overload

__all__ = ["enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class GradMode(threading.local):
    """This thread's mode. The engine reads it at every operation."""

    enabled: bool = True


state = GradMode()


def is_grad_enabled() -> bool:
    """Tell whether operations of this thread are being recorded.

    Examples:
        >>> mg.is_grad_enabled()
        True
    """
    return state.enabled


class _Mode:
    """A grad mode as a context manager and as a decorator of functions and generator functions."""

    enabled: bool

    def __call__(self, function: Decorated) -> Decorated:
        if inspect.isgeneratorfunction(function):
            return cast(Decorated, self._generator(function))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return self._run(function, *args, **kwargs)

        return cast(Decorated, wrapped)

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        before = state.enabled
        state.enabled = self.enabled
        try:
            return function(*args, **kwargs)
        finally:
            state.enabled = before

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose body has the mode whenever it runs; between two yields the caller's own is in force."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            body = function(*args, **kwargs)
            resume, value = body.send, None
            while True:
                try:
                    result = self._run(resume, value)
                except StopIteration as end:
                    return end.value
                try:
                    resume, value = body.send, (yield result)
                except GeneratorExit:
                    self._run(body.close)
                    raise
                except BaseException as error:
                    resume, value = body.throw, error

        return wrapped

    def __enter__(self) -> None:
        self._before = state.enabled
        state.enabled = self.enabled

    def __exit__(self, *exc_info: Any) -> None:
        state.enabled = self._before


class no_grad(_Mode):
    """Do not record operations: results do not require grad. A context manager and a decorator.

    Args:
        function: the function to decorate; None for a context manager.

    Examples:
        >>> x = mg.ones(2, requires_grad=True)
        >>> with mg.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    enabled = False

    @overload
    def __new__(cls) -> Self: ...
    @overload
    def __new__(cls, function: Decorated) -> Decorated: ...  # type: ignore[misc]  # a decorator gives the function
    def __new__(cls, function: Any = None) -> Any:
        # `@no_grad` without parentheses, which PyTorch allows too.
        mode = super().__new__(cls)
        return mode if function is None else mode(function)


class enable_grad(no_grad):
    """Record operations, inside `no_grad` too. A context manager and a decorator.

    Args:
        function: the function to decorate; None for a context manager.

    Examples:
        >>> x = mg.ones(2, requires_grad=True)
        >>> with mg.no_grad(), mg.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    enabled = True


class set_grad_enabled(_Mode):
    """Switch recording on or off: at once as a function, until its end as a context manager.

    Args:
        mode: whether to record.

    Examples:
        >>> training = False
        >>> with mg.set_grad_enabled(training):
        ...     print(mg.is_grad_enabled())
        False
    """

    def __init__(self, mode: bool):
        self.enabled = bool(mode)
        self._before = state.enabled
        state.enabled = self.enabled

    def __call__(self, function: Decorated) -> Decorated:
        state.enabled = self._before  # as a decorator it governs the function, not the code around it
        return super().__call__(function)

    def __enter__(self) -> None:
        state.enabled = self.enabled


class inference_mode(_Mode):
    """Do not record operations, as `no_grad`: this engine has nothing more to save in inference.

    Args:
        mode: False leaves the present mode; a function is decorated.

    Examples:
        >>> with mg.inference_mode():
        ...     print((mg.ones(1, requires_grad=True) * 2).requires_grad)
        False
    """

    @overload
    def __new__(cls, mode: bool = True) -> Self: ...
    @overload
    def __new__(cls, mode: Decorated) -> Decorated: ...  # type: ignore[misc]
    def __new__(cls, mode: Any = True) -> Any:
        instance = super().__new__(cls)
        if callable(mode):
            instance.enabled = False
            return instance(mode)
        return instance

    def __init__(self, mode: bool = True):
        self._mode = bool(mode)
        self.enabled = not self._mode and state.enabled
