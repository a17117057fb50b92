"""How the tensors that operations keep for backward are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.autograd.node import Node as Node
from minigrad.autograd.saved import packing
from minigrad.device import on_host, to_device
from minigrad.tensor import Tensor, from_array

__all__ = ["Node", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Within it, what operations save for backward is packed, and unpacked when backward needs it.

    Of blocks within one another the innermost one's hooks are called. They count for this thread. What a kernel keeps
    as an array besides, such as the positions of max pooling, does not go through them.

    Args:
        pack_hook: called with each saved tensor, without its history, in the forward pass; it may return anything.
        unpack_hook: called with that in the backward pass; returns a tensor of the same values.

    Raises:
        RuntimeError: at the beginning of the block, within `disable_saved_tensors_hooks`.
        TypeError: in backward, `unpack_hook` returns something else than a tensor.

    Examples:
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> with mg.autograd.graph.saved_tensors_hooks(lambda t: t.half(), lambda h: h.float()):
        ...     y = x * x
        >>> y.sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if packing.refused is not None:
            raise RuntimeError(packing.refused)
        packing.hooks = (*packing.hooks, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc_info: Any) -> None:
        packing.hooks = packing.hooks[:-1]


class save_on_cpu(saved_tensors_hooks):
    """Within it, what operations save for backward waits in the memory of the CPU, and goes back to its device then.

    Args:
        pin_memory: accepted for PyTorch's sake.
        device_type: accepted for PyTorch's sake.

    Examples:
        >>> x = mg.tensor(3.0, requires_grad=True)
        >>> with mg.autograd.graph.save_on_cpu():
        ...     y = x * x
        >>> y.backward()
        >>> x.grad
        tensor(6.)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        def pack(tensor: Tensor) -> Any:
            host = on_host(tensor.array)
            return tensor.device, host.copy() if host is tensor.array else host

        def unpack(packed: Any) -> Tensor:
            device, array = packed
            return from_array(to_device(array, device))

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Within it, `saved_tensors_hooks` is an error.

    Args:
        error_message: what the error says.

    Raises:
        RuntimeError: hooks are active already.

    Examples:
        >>> with mg.autograd.graph.disable_saved_tensors_hooks("not here"):
        ...     with mg.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        ...         pass
        Traceback (most recent call last):
        RuntimeError: not here
    """
    if packing.hooks:
        raise RuntimeError(error_message)
    before, packing.refused = packing.refused, error_message
    try:
        yield
    finally:
        packing.refused = before
