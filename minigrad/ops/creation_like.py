"""Making tensors after the model of another: its dtype and device, and for the `*_like` forms its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.device import array_module, to_device
from minigrad.device import device as Device
from minigrad.ops.arguments import check_tensor, number
from minigrad.ops.creation import empty, full, ones, tensor, zeros
from minigrad.tensor import Tensor, from_array

__all__ = ["empty_like", "full_like", "ones_like", "zeros_like"]


def _like(
    operation: str, make: Callable[..., Any], input: Tensor, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor with the shape, and unless given the dtype and device, of `input`."""
    check_tensor(operation, "input", input)
    dtype = input.dtype if dtype is None else dtypes.check_dtype(operation, dtype)
    return from_array(to_device(make(array_module(input.array), input.array, dtype), device), requires_grad)


def zeros_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make zeros in the shape of another tensor.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        dtype, device, requires_grad: as for `tensor`.

    Examples:
        >>> mg.zeros_like(mg.tensor([[1, 2]]))
        tensor([[0, 0]])
    """
    return _like("zeros_like", lambda xp, array, d: xp.zeros_like(array, d), input, dtype, device, requires_grad)


def ones_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make ones in the shape of another tensor.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        dtype, device, requires_grad: as for `tensor`.

    Examples:
        >>> mg.ones_like(mg.tensor([[1, 2]]), dtype=mg.float32)
        tensor([[1., 1.]])
    """
    return _like("ones_like", lambda xp, array, d: xp.ones_like(array, d), input, dtype, device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of uninitialised values in the shape of another.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        dtype, device, requires_grad: as for `tensor`.

    Examples:
        >>> mg.empty_like(mg.tensor([[1, 2]])).shape
        (1, 2)
    """
    return _like("empty_like", lambda xp, array, d: xp.empty_like(array, d), input, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: float,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of one value in the shape of another.

    Args:
        input: gives the shape, and dtype and device unless they are given.
        fill_value: the value.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: the dtype cannot hold the value.

    Examples:
        >>> mg.full_like(mg.tensor([1.0, 2.0]), 0.5)
        tensor([0.5000, 0.5000])
    """

    def make(xp: Any, array: Any, dtype: Any) -> Any:
        return xp.full_like(array, number("full_like", fill_value, dtype).array[()], dtype)

    return _like("full_like", make, input, dtype, device, requires_grad)


def new_zeros(
    input: Tensor,
    *size: Any,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make zeros of another shape with this tensor's dtype and device.

    Args:
        input: gives dtype and device unless they are given.
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.tensor([1, 2]).new_zeros(3)
        tensor([0, 0, 0])
    """
    return zeros(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def new_ones(
    input: Tensor,
    *size: Any,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make ones of another shape with this tensor's dtype and device.

    Args:
        input: gives dtype and device unless they are given.
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.tensor([1, 2]).new_ones(2, 2)
        tensor([[1, 1],
                [1, 1]])
    """
    return ones(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def new_empty(
    input: Tensor,
    *size: Any,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of uninitialised values, of another shape with this tensor's dtype and device.

    Args:
        input: gives dtype and device unless they are given.
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.tensor([1.0]).new_empty(2, 3).shape
        (2, 3)
    """
    return empty(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def new_full(
    input: Tensor,
    size: Sequence[int],
    fill_value: float,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of one value, of another shape with this tensor's dtype and device.

    Args:
        input: gives dtype and device unless they are given.
        size: the shape.
        fill_value: the value.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: a size is negative, or the dtype cannot hold the value.

    Examples:
        >>> mg.tensor([1.0]).new_full((2,), 3)
        tensor([3., 3.])
    """
    return full(
        size, fill_value, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad
    )


def new_tensor(
    input: Tensor,
    data: Any,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor with a copy of `data`, and this tensor's dtype and device.

    Args:
        input: gives dtype and device unless they are given.
        data: as for `tensor`.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        ValueError: nested sequences have unequal lengths.

    Examples:
        >>> mg.tensor([0.5]).new_tensor([1, 2])
        tensor([1., 2.])
    """
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)
