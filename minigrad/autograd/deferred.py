"""Results that are written down when somebody looks at them.

A program calls operations one by one, and each is a node of the tape of its own; but some could share a pass over
memory with the next. Such an operation returns a `Deferred`, which knows its shape and how to compute its array. What
follows may take in the recipe instead of the array. To everybody else it is a tensor as any other: the first look at
its array has it computed, and it is a plain `Tensor` from then on.

A recipe reads arrays that a later write would change. So in the forward pass a result waits for the thread's next
operation only, which takes it in or has it written down first. What was taken in and is looked at later is computed
then; where an optimiser may come between, as with a convolution's weights, it is when the outermost module's call ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.autograd.grad_mode import ignored_warnings, state
from minigrad.device import device, device_of
from minigrad.tensor import Tensor, Version


class Deferred(Tensor):
    """A tensor whose array is made by `compute` when it is first asked for; it is shaped as the array `like`."""

    def __init__(self, like):
        self._like = like
        self._version = Version()

    def compute(self):
        """The array."""
        raise NotImplementedError

    @property
    def array(self):  # type: ignore[override]
        """The array, now at the latest."""
        self.array = array = self.compute()
        return array

    @array.setter
    def array(self, value) -> None:
        self.__class__ = Tensor  # type: ignore[assignment]
        self.array = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""
        return self._like.shape

    @property
    def dtype(self):
        """The type of the elements."""
        return self._like.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._like.ndim

    @property
    def device(self) -> device:
        """Where the array lies."""
        return device_of(self._like)


class module_call(ignored_warnings):
    """The outermost call of a module: results of `short_lived` recipes may wait, and are written down when it ends."""

    def __enter__(self) -> None:
        super().__enter__()
        state.short_lived = []

    def __exit__(self, *exc_info) -> None:
        try:
            for tensor in _short_lived():
                tensor.array  # noqa: B018  # the look that computes it
        finally:
            state.short_lived = None
            super().__exit__(*exc_info)


def _short_lived() -> list:
    """The results that wait while a module is called."""
    tensors = [reference() for reference in state.short_lived or ()]
    return [tensor for tensor in tensors if isinstance(tensor, Deferred)]


def settle_readers(target: Tensor) -> None:
    """Have the results that wait and read `target` written down: it is about to be written into."""
    for tensor in _short_lived():
        if any([saved.counter is target._version for saved in tensor.inputs]):
            tensor.array  # noqa: B018


def like(tensor: Tensor):
    """An array of the tensor's shape, dtype and device: its own unless that is deferred."""
    return tensor._like if isinstance(tensor, Deferred) else tensor.array


def peek(tensor: Tensor):
    """The tensor's array; a deferred one is computed for this look and goes on waiting, so the look changes nothing."""
    return tensor.compute() if isinstance(tensor, Deferred) else tensor.array


def settle(taken: Sequence = ()) -> None:
    """Have the result that waits in this thread written down, unless it is among the arguments `taken` in."""
    waiting, state.deferred = state.deferred, None
    if waiting is not None and not any([waiting is argument for argument in taken]):
        waiting.array  # noqa: B018  # the look that computes it
