"""NVIDIA GPUs: whether there is one, and how many."""

from __future__ import annotations

from minigrad.device import cupy_or_reason


def is_available() -> bool:
    """True if CuPy is installed and finds a GPU."""
    try:
        cupy_or_reason()
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """The number of GPUs that can be used."""
    return cupy_or_reason().cuda.runtime.getDeviceCount() if is_available() else 0
