"""Parameter: a tensor that is trained."""

from __future__ import annotations

import numpy as np

from minigrad.dtypes import get_default_dtype
from minigrad.tensor import Tensor, from_array

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A Tensor that is trained: a Module lists it among its parameters when it is assigned as an attribute.

    Args:
        data: the tensor whose memory it shares, or None for an empty one.
        requires_grad: record gradients for it, inside `no_grad` too.

    Raises:
        TypeError: `data` is not a Tensor.
        RuntimeError: `data` is not floating-point and `requires_grad` is set.

    Examples:
        >>> nn.Parameter(mg.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
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
