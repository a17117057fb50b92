"""The types in the kernels' signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

# An array of NumPy or, for the kernels of a GPU, one of CuPy or of the simulator, which have NumPy's interface.
Array: TypeAlias = np.ndarray[Any, Any]
Arrays: TypeAlias = Sequence[Array]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]  # along height and width
# A number of Python. Where a captured CUDA graph reads it from memory at each replay: an array of the GPU holds it.
Scalar: TypeAlias = Any
