"""What PyTorch says of shapes and of types of numbers, and constants."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.tensor import Tensor
from minigrad.torch.spelling import Size

inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None
dtype = np.dtype  # the class of torch.float32 and its kin


class finfo:
    """The limits of a floating-point type, by default the default one."""

    def __init__(self, type: Any = None):
        kind = mg.get_default_dtype() if type is None else np.dtype(type)
        if kind.kind != "f":
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        limits = np.finfo(kind)
        self.bits, self.dtype = limits.bits, str(kind)
        self.min, self.max, self.eps = float(limits.min), float(limits.max), float(limits.eps)
        self.resolution = float(f"1e-{limits.precision}")
        self.tiny = self.smallest_normal = float(limits.tiny)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join([f'{name}={getattr(self, name):g}' for name in names])}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer type."""

    def __init__(self, type: Any):
        kind = np.dtype(type)
        if kind.kind not in "iu":
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        limits = np.iinfo(kind)
        self.bits, self.min, self.max, self.dtype = limits.bits, int(limits.min), int(limits.max), str(kind)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def range(start: float, end: float, step: float = 1, *, dtype: Any = None, **options: Any) -> Tensor:
    """The numbers from `start` to `end`, which is one of them; `arange` took its place."""
    warnings.warn("torch.range is deprecated; torch.arange leaves the end out, as Python's range", stacklevel=2)
    if not step or (end - start) * step < 0:
        raise RuntimeError(f"range: a step of {step} does not lead from {start} to {end}")
    count = math.floor((end - start) / step) + 1
    numbers = mg.arange(count, dtype=mg.float64) * step + start
    kind = mg.get_default_dtype() if dtype is None else dtype
    return numbers.to(dtype=kind, device=options.get("device")).requires_grad_(options.get("requires_grad", False))


def is_complex(input: Tensor) -> bool:
    """False: minigrad has no complex numbers."""
    return False


NAMES = {
    "Size": Size, "dtype": dtype, "finfo": finfo, "iinfo": iinfo, "range": range, "is_complex": is_complex,
    "inf": inf, "nan": nan, "pi": pi, "e": e, "newaxis": newaxis,
}  # fmt: skip
