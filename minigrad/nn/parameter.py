"""Parameter: a tensor that is trained."""

from __future__ import annotations

import numpy as np

from minigrad.dtypes import get_default_dtype
from minigrad.tensor import Tensor, from_array


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters when it is assigned as an attribute.

    Shares the memory of `data`, is a leaf, and requires grad unless told otherwise (inside `no_grad` too).
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        if data is None:
            data = from_array(np.empty(0, get_default_dtype()))
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data must be a Tensor, got {type(data).__name__}")
        self._hold(data.array)
        if requires_grad:
            self.requires_grad = True

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
