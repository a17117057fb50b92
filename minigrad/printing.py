"""How a tensor prints: as PyTorch prints it."""

from __future__ import annotations

import numpy as np

from minigrad.tensor import Tensor


def tensor_text(tensor: Tensor) -> str:
    """``tensor([1., 2.], requires_grad=True)``: the values, and what is not obvious from them."""
    return f"tensor({np.array2string(tensor.array, separator=', ', precision=4)})"
