"""Padding as layers: borders of a constant, reflected, replicated or circular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class _Pad(Module):
    """Extends the last `dims` dimensions; `mode` is that of `functional.pad`."""

    dims: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        amounts = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)
        if len(amounts) != 2 * self.dims or not all([isinstance(amount, int) for amount in amounts]):
            raise ValueError(f"{type(self).__name__}: padding must be an int or {2 * self.dims} ints, got {padding!r}")
        self.padding = amounts

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_Pad):
    """Extend rows at their ends by mirrors, without repeating the edge.

    Args:
        padding: an int for every side, or (left, right), none of them negative.

    Raises:
        ValueError: the padding is no int and not 2 of them.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, W + left + right).

    Examples:
        >>> nn.ReflectionPad1d(2)(mg.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Extend pictures at their ends by mirrors, without repeating the edge.

    Args:
        padding: an int for every side, or (left, right, top, bottom), none of them negative.

    Raises:
        ValueError: the padding is no int and not 4 of them.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, H + top + bottom, W + left + right).

    Examples:
        >>> nn.ReflectionPad2d(1)(mg.zeros(1, 3, 4, 5)).shape
        (1, 3, 6, 7)
    """

    dims, mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """Extend rows at their ends by repeating the edge.

    Args:
        padding: an int for every side, or (left, right), none of them negative.

    Raises:
        ValueError: the padding is no int and not 2 of them.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, W + left + right).

    Examples:
        >>> nn.ReplicationPad1d((2, 1))(mg.tensor([[1.0, 2.0]]))
        tensor([[1., 1., 1., 2., 2.]])
    """

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Extend pictures at their ends by repeating the edge.

    Args:
        padding: an int for every side, or (left, right, top, bottom), none of them negative.

    Raises:
        ValueError: the padding is no int and not 4 of them.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, H + top + bottom, W + left + right).

    Examples:
        >>> nn.ReplicationPad2d(1)(mg.zeros(1, 3, 4, 5)).shape
        (1, 3, 6, 7)
    """

    dims, mode = 2, "replicate"


class CircularPad1d(_Pad):
    """Extend rows at their ends by what stands at the other end.

    Args:
        padding: an int for every side, or (left, right), none of them negative.

    Raises:
        ValueError: the padding is no int and not 2 of them.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, W + left + right).

    Examples:
        >>> nn.CircularPad1d((2, 0))(mg.tensor([[1.0, 2.0]]))
        tensor([[1., 2., 1., 2.]])
    """

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Extend pictures at their ends by what stands at the other end.

    Args:
        padding: an int for every side, or (left, right, top, bottom), none of them negative.

    Raises:
        ValueError: the padding is no int and not 4 of them.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, H + top + bottom, W + left + right).

    Examples:
        >>> nn.CircularPad2d(1)(mg.zeros(1, 3, 4, 5)).shape
        (1, 3, 6, 7)
    """

    dims, mode = 2, "circular"


class ConstantPad1d(_Pad):
    """Extend rows at their ends by a constant.

    Args:
        padding: an int for every side, or (left, right); negative amounts cut off.
        value: the constant.

    Raises:
        ValueError: the padding is no int and not 2 of them.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, W + left + right).

    Examples:
        >>> nn.ConstantPad1d(1, 9.0)(mg.tensor([[1.0, 2.0]]))
        tensor([[9., 1., 2., 9.]])
    """

    dims, mode = 1, "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(_Pad):
    """Extend pictures at their ends by a constant.

    Args:
        padding: an int for every side, or (left, right, top, bottom); negative amounts cut off.
        value: the constant.

    Raises:
        ValueError: the padding is no int and not 4 of them.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, H + top + bottom, W + left + right).

    Examples:
        >>> nn.ConstantPad2d(1, 0.5)(mg.zeros(1, 3, 4, 5)).shape
        (1, 3, 6, 7)
    """

    dims, mode = 2, "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad1d(_Pad):
    """Extend rows at their ends by zeros.

    Args:
        padding: an int for every side, or (left, right); negative amounts cut off.

    Raises:
        ValueError: the padding is no int and not 2 of them.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, W + left + right).

    Examples:
        >>> nn.ZeroPad1d(1)(mg.tensor([[1.0, 2.0]]))
        tensor([[0., 1., 2., 0.]])
    """

    dims, mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Extend pictures at their ends by zeros.

    Args:
        padding: an int for every side, or (left, right, top, bottom); negative amounts cut off.

    Raises:
        ValueError: the padding is no int and not 4 of them.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, H + top + bottom, W + left + right).

    Examples:
        >>> nn.ZeroPad2d(1)(mg.zeros(1, 3, 4, 5)).shape
        (1, 3, 6, 7)
    """

    dims, mode = 2, "constant"
