"""`torch.accelerator`: the GPU, or none."""

from typing import Any

import minigrad as _engine
from minigrad.cuda import current_device as current_device_index
from minigrad.cuda import device_count, is_available, synchronize
from minigrad.torch.cuda import set_device as set_device_index
from minigrad.torch.facade import face


def current_accelerator(check_available: bool = False) -> Any:
    """The device "cuda", or None where there is no GPU."""
    return _engine.device("cuda") if is_available() else None


current_device_idx = current_device_index
set_device_idx = set_device_index

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "device_count", "is_available",
    "set_device_idx", "set_device_index", "synchronize",
]  # fmt: skip
__getattr__, __dir__ = face(__name__)
