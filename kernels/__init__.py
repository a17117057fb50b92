"""The hot loops: an operation a folder, its implementations side by side, plain arrays in and out.

minigrad imports from here only. `cpu`, which imports Numba, and the operations are imported at their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if __name__ == "kernels":
    raise ImportError("the kernels are imported as minigrad.kernels, not as kernels: each of them is one module")

from .cuda import assertions
from .cuda.capture import Capture, capturing, into
from .dispatch import compiled, implementation, implementation_on_gpu, use_kernels
from .geometry import is_channels_last, is_dense, output_size
from .precision import get_float32_matmul_precision, set_float32_matmul_precision

if TYPE_CHECKING:
    from . import cpu, cuda, philox

__all__ = [
    "Capture",
    "assertions",
    "capturing",
    "compiled",
    "cpu",
    "cuda",
    "get_float32_matmul_precision",
    "implementation",
    "implementation_on_gpu",
    "into",
    "is_channels_last",
    "is_dense",
    "output_size",
    "philox",
    "set_float32_matmul_precision",
    "use_kernels",
]
