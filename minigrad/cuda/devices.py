"""Availability, synchronisation and memory of GPUs."""

from __future__ import annotations

from typing import Any

from minigrad.device import cuda_backend, cuda_device_count, device
from minigrad.kernels import assertions

Device = device | str | int | None


def is_available() -> bool:
    """Tell whether there is a GPU that can be used; `minigrad doctor` says why not.

    Examples:
        >>> device = "cuda" if mg.cuda.is_available() else "cpu"
    """
    return cuda_device_count() > 0


def device_count() -> int:
    """Return the number of GPUs that can be used.

    Examples:
        >>> mg.cuda.device_count() >= 1
        True
    """
    return cuda_device_count()


def current_device() -> int:
    """Return the index of the GPU that `device="cuda"` means.

    Examples:
        >>> mg.cuda.current_device()
        0
    """
    return cuda_backend().current_device()


def get_device_name(device: Device = None) -> str:
    """Return the name of the GPU `device`, such as "NVIDIA H200".

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> len(mg.cuda.get_device_name()) > 0
        True
    """
    return cuda_backend().device_name(_index(device))


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """Return the compute capability of the GPU `device`, such as (9, 0).

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> major, minor = mg.cuda.get_device_capability()
    """
    return cuda_backend().capability(_index(device))


def synchronize(device: Device = None) -> None:
    """Wait until the GPU `device` has done all queued work; errors that its checks found are raised.

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> x = mg.ones(3, device="cuda") + 1
        >>> mg.cuda.synchronize()
    """
    _current(device).synchronize()
    assertions.raise_noted()


def memory_allocated(device: Device = None) -> int:
    """Return the bytes of the memory of the GPU `device` that tensors use.

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> before = mg.cuda.memory_allocated()
        >>> x = mg.zeros(1024, device="cuda")
        >>> mg.cuda.memory_allocated() - before >= 4096
        True
    """
    return _current(device).memory_allocated()


def max_memory_allocated(device: Device = None) -> int:
    """Return the largest value of `memory_allocated`, for the GPU `device`, since `reset_peak_memory_stats`.

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> mg.cuda.max_memory_allocated() >= mg.cuda.memory_allocated()
        True
    """
    return _current(device).max_memory_allocated()


def reset_peak_memory_stats(device: Device = None) -> None:
    """Let `max_memory_allocated` of the GPU `device` start again.

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> mg.cuda.reset_peak_memory_stats()
        >>> mg.cuda.max_memory_allocated() == mg.cuda.memory_allocated()
        True
    """
    _current(device).reset_peak_memory_stats()


def memory_reserved(device: Device = None) -> int:
    """Return the bytes of the memory of the GPU `device` that the process holds, for present and future tensors.

    Raises:
        ValueError: `device` is not a GPU.
        RuntimeError: there is no GPU.

    Examples:
        >>> mg.cuda.memory_reserved() >= mg.cuda.memory_allocated()
        True
    """
    return _current(device).memory_reserved()


def empty_cache() -> None:
    """Free the memory that is held for future tensors.

    Examples:
        >>> mg.cuda.empty_cache()
    """
    cuda_backend().empty_cache()


class Event:
    """A marker in the GPU's queue: `synchronize` waits for the work before it, not for later work.

    Examples:
        >>> copied = mg.cuda.Event()
        >>> loss = mg.ones(1, device="cuda").to("cpu", non_blocking=True)
        >>> copied.record()
        >>> copied.synchronize()
        >>> loss.item()
        1.0
    """

    def __init__(self) -> None:
        self._event: Any = None

    def record(self) -> None:
        """Place the marker after all work that is queued."""
        self._event = cuda_backend().event()
        self._event.record()

    def query(self) -> bool:
        """Tell whether the GPU has reached it."""
        return self._event is None or self._event.done

    def synchronize(self) -> None:
        """Wait until the GPU has reached it."""
        if self._event is not None:
            self._event.synchronize()


def _current(which: Device) -> Any:
    """The device layer of the current GPU; RuntimeError if another one is asked for."""
    backend, index = cuda_backend(), _index(which)
    if index not in (None, backend.current_device()):
        raise RuntimeError(f"minigrad.cuda: 'cuda:{index}' is not the current GPU, {backend.current_device()}")
    return backend


def _index(which: Device) -> int | None:
    if which is None or isinstance(which, int):
        return which
    where = device(which)
    if where.type != "cuda":
        raise ValueError(f"expected a cuda device, but got: {where}")
    return where.index
