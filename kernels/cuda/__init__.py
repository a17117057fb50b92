"""NVIDIA GPUs: how kernels are compiled and launched, and the headers they share.

A kernel is a .cu file in its operation's folder, launched by the `cuda.py` beside it through `launch`. `device.py` is
the narrow layer that everything goes through; it runs on a GPU with CuPy, or on the CPU with the simulator
(MINIGRAD_CUDA_SIMULATOR=1), which is how the kernels are tested where there is no GPU. `source.py` reads a .cu file and
knows its variants, `verified.py` which files have passed their tests on a GPU.
"""

from . import check, numbers, precision
from .device import array_module, backend, capability, launch, simulated
from .errors import CaptureError, DeviceLostError, KernelCompileError, KernelError, OutOfMemoryError, cannot_hold

__all__ = [
    "CaptureError",
    "DeviceLostError",
    "KernelCompileError",
    "KernelError",
    "OutOfMemoryError",
    "array_module",
    "backend",
    "cannot_hold",
    "capability",
    "check",
    "launch",
    "numbers",
    "precision",
    "simulated",
]
