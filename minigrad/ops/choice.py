"""Elementwise choice between operands: maximum, minimum, `clamp`, `where`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.observer import observed, observers
from minigrad.ops.arguments import (
    beside,
    broadcast_shapes,
    check_number,
    check_same_device,
    check_tensor,
    number,
    operands,
)
from minigrad.tensor import Tensor, from_array

__all__ = ["clamp", "maximum", "minimum", "where"]


class Maximum(Function):
    """The larger of x and y (NaN if either is); equal values share the gradient evenly, as in PyTorch"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        ctx.save_for_backward(x, y)
        return from_array(np.maximum(x.array, y.array))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        share = grad_output * where(x == y, 0.5, 1.0)
        return share.masked_fill(x < y, 0), share.masked_fill(x > y, 0)


class Minimum(Function):
    """The smaller of x and y (NaN if either is); equal values share the gradient evenly, as in PyTorch"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        ctx.save_for_backward(x, y)
        return from_array(np.minimum(x.array, y.array))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        share = grad_output * where(x == y, 0.5, 1.0)
        return share.masked_fill(x > y, 0), share.masked_fill(x < y, 0)


class Where(Function):
    """x where the condition holds, y elsewhere"""

    @staticmethod
    def forward(ctx: Context, condition: Tensor, x: Any, y: Any) -> Tensor:
        ctx.save_for_backward(condition)
        mask = condition.array
        return from_array(np.where(mask, beside(x.array, mask), beside(y.array, mask)))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (condition,) = ctx.saved_tensors
        return None, where(condition, grad_output, 0.0), where(condition, 0.0, grad_output)


class Clamp(Function):
    """x limited to [low, high]; the derivative is 1 on the closed interval, 0 outside"""

    @staticmethod
    def forward(ctx: Context, x: Any, low: Any, high: Any) -> Tensor:
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return from_array(np.clip(x.array, low, high))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (x,) = ctx.saved_tensors
        array = x.array
        outside = np.zeros_like(array, dtype=bool)
        if ctx.low is not None:
            outside |= array < ctx.low
        if ctx.high is not None:
            outside |= array > ctx.high
        return grad_output.masked_fill(from_array(outside), 0), None, None


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Take the larger of each pair of elements; NaN if either is NaN.

    Equal elements share the gradient equally.

    Args:
        input, other: tensors whose shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.maximum(mg.tensor([1.0, 5.0]), mg.tensor([3.0, 2.0]))
        tensor([3., 5.])
    """
    return Maximum.apply(
        *operands("maximum", check_tensor("maximum", "input", input), check_tensor("maximum", "other", other))
    )


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Take the smaller of each pair of elements; NaN if either is NaN.

    Equal elements share the gradient equally.

    Args:
        input, other: tensors whose shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.minimum(mg.tensor([1.0, 5.0]), mg.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    return Minimum.apply(
        *operands("minimum", check_tensor("minimum", "input", input), check_tensor("minimum", "other", other))
    )


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit every element to the interval [min, max]; the gradient is 0 outside it.

    Args:
        input: a tensor of any shape.
        min, max: numbers, or tensors that broadcast with `input`; either may be None.

    Raises:
        RuntimeError: both bounds are None, a bound is a number that the dtype cannot hold, `input` and the bounds are
            boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.clamp(mg.tensor([-2.0, 0.5, 3.0]), min=0, max=1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    check_tensor("clamp", "input", input)
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of 'min' or 'max' must not be None")
    for name, bound in (("min", min), ("max", max)):
        if bound is not None and not isinstance(bound, Tensor):
            check_number("clamp", name, bound)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        # Selected, not maximum/minimum, which would share the gradient at the bounds.
        result = input
        if min is not None:
            low, result = operands("clamp", min, result)
            result = where(result < low, low, result)
        if max is not None:
            high, result = operands("clamp", max, result)
            result = where(result > high, high, result)
        return result
    dtype = dtypes.result_type(input.array, *[bound for bound in (min, max) if bound is not None])
    if dtype.kind == "b":
        raise RuntimeError("clamp: booleans have no bounds; convert them with .int()")
    low, high = [None if bound is None else number("clamp", bound, dtype).item() for bound in (min, max)]
    return Clamp.apply(input.to(dtype), low, high)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Choose element by element: `input` where `condition` is true, `other` elsewhere.

    Args:
        condition: a boolean tensor.
        input, other: tensors or numbers. All three shapes broadcast. Without both, the result is the tuple of
            index vectors at which `condition` is true.

    Raises:
        RuntimeError: `condition` is not boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> x = mg.tensor([-1.0, 2.0, -3.0])
        >>> mg.where(x > 0, x, 0.0)
        tensor([0., 2., 0.])
        >>> mg.where(x < 0)
        (tensor([0, 2]),)
    """
    check_tensor("where", "condition", condition)
    if condition.dtype != bool:
        raise RuntimeError(f"where: expected condition to be a boolean tensor, got {condition.dtype}")
    if input is None and other is None:
        result = tuple([from_array(indices) for indices in condition.array.nonzero()])
        return observed("nonzero", (condition, True), result) if observers else result
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        dtype = dtypes.result_type(check_number("where", "input", input), check_number("where", "other", other))
        return Where.apply(condition, number("where", input, dtype), number("where", other, dtype))
    x, y = operands("where", input, other)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    # NumPy's where would take a Python number as float64.
    x, y = [o if isinstance(o, Tensor) else number("where", given, dtype) for o, given in ((x, input), (y, other))]
    broadcast_shapes("where", condition.shape, x.shape, y.shape)
    if type(condition.array) is not type(x.array) or type(x.array) is not type(y.array):
        check_same_device("where", condition, *[o for o in (x, y) if o.ndim or o.is_cuda or o.requires_grad])
    return Where.apply(condition, x, y)
