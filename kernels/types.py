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
# A number of Python; for a captured CUDA graph, which reads it from memory at each replay, the array of the GPU that
# holds it, or a 0-d array of the host, from which it is copied there.
Scalar: TypeAlias = Any
