"""Questions about a tensor, asked of functions."""

from __future__ import annotations

from typing import Any

from minigrad.ops.arguments import check_tensor
from minigrad.tensor import Tensor

__all__ = ["is_floating_point", "is_tensor", "numel"]


def is_tensor(obj: Any) -> bool:
    """Return whether `obj` is a tensor.

    Examples:
        >>> mg.is_tensor(mg.zeros(2)), mg.is_tensor([0, 0])
        (True, False)
    """
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Return the number of elements of `input`.

    Examples:
        >>> mg.numel(mg.zeros(2, 3))
        6
    """
    return check_tensor("numel", "input", input).numel()


def is_floating_point(input: Tensor) -> bool:
    """Return whether `input` holds floating-point numbers.

    Examples:
        >>> mg.is_floating_point(mg.zeros(2))
        True
    """
    return check_tensor("is_floating_point", "input", input).is_floating_point()
