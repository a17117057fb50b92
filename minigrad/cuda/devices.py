"""The GPUs that there are, waiting for one, and its memory."""

from __future__ import annotations

from typing import Any

from minigrad.device import cuda_backend, cuda_device_count, device
from minigrad.kernels import assertions

Device = device | str | int | None


def is_available() -> bool:
    """True if there is a GPU that can be used; `cuda_backend` in minigrad.device says why not."""
    return cuda_device_count() > 0


def device_count() -> int:
    """The number of GPUs that can be used."""
    return cuda_device_count()


def current_device() -> int:
    """The index of the GPU that `device="cuda"` means."""
    return cuda_backend().current_device()


def get_device_name(device: Device = None) -> str:
    """The GPU's name, such as "NVIDIA H200"."""
    return cuda_backend().device_name(_index(device))


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """The GPU's compute capability, such as (9, 0)."""
    return cuda_backend().capability(_index(device))


def synchronize(device: Device = None) -> None:
    """Wait until the GPU has done all that was asked of it; raises what a check noted in the meantime."""
    _current(device).synchronize()
    assertions.raise_noted()


def memory_allocated(device: Device = None) -> int:
    """The bytes of the GPU's memory that tensors take."""
    return _current(device).memory_allocated()


def max_memory_allocated(device: Device = None) -> int:
    """The largest value of `memory_allocated` so far, or since `reset_peak_memory_stats`."""
    return _current(device).max_memory_allocated()


def reset_peak_memory_stats(device: Device = None) -> None:
    """Let `max_memory_allocated` begin anew."""
    _current(device).reset_peak_memory_stats()


def memory_reserved(device: Device = None) -> int:
    """The bytes of the GPU's memory that the process holds: for tensors, and for the next ones."""
    return _current(device).memory_reserved()


def empty_cache() -> None:
    """Give back the memory that is held for the next tensors."""
    cuda_backend().empty_cache()


class Event:
    """A place in the GPU's work: `synchronize` waits until the GPU has come so far, not for what it was asked later."""

    def __init__(self) -> None:
        self._event: Any = None

    def record(self) -> None:
        """Put the place behind all that the GPU has been asked for."""
        self._event = cuda_backend().event()
        self._event.record()

    def query(self) -> bool:
        """Whether the GPU has come to it."""
        return self._event is None or self._event.done

    def synchronize(self) -> None:
        """Wait until the GPU has come to it."""
        if self._event is not None:
            self._event.synchronize()


def _current(which: Device):
    """The device layer, which speaks of the current GPU; RuntimeError if another one is meant."""
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
