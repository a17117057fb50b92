"""Arithmetic that is made of simpler arithmetic: remainders, angles, interpolation, products that are added."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.ops.arguments import check_number, check_tensor, expect_none, floating, operands
from minigrad.ops.choice import clamp, where
from minigrad.ops.elementwise import add, array_of, div, mul, sub
from minigrad.ops.pointwise import abs, log, neg
from minigrad.tensor import Tensor, from_array

__all__ = [
    "absolute",
    "addcdiv",
    "addcmul",
    "atan2",
    "clamp_max",
    "clamp_min",
    "clip",
    "divide",
    "floor_divide",
    "fmod",
    "hypot",
    "lerp",
    "logit",
    "multiply",
    "negative",
    "remainder",
    "subtract",
    "xlogy",
]

# NumPy's names, which PyTorch has too.
absolute, clip, divide, multiply, negative, subtract = abs, clamp, div, mul, neg, sub


class Remainder(Function):
    """What x / y leaves when it is rounded "floor" or "trunc"; the derivatives are 1 and minus the rounded quotient"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any, rounding_mode: str | None) -> Tensor:
        ctx.rounding_mode = rounding_mode
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, y if ctx.needs_input_grad[1] else None)
        remainder = np.remainder if rounding_mode == "floor" else np.fmod
        return from_array(remainder(array_of(x), array_of(y)))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        grad_y = None
        if ctx.needs_input_grad[1]:
            grad_y = -grad_output * div(x, y, rounding_mode=ctx.rounding_mode)
        return grad_output, grad_y, None


class Atan2(Function):
    """The angle of the point (x, y); the derivatives are x / (x^2 + y^2) and -y / (x^2 + y^2)"""

    @staticmethod
    def forward(ctx: Context, y: Any, x: Any) -> Tensor:
        ctx.save_for_backward(y, x)
        return from_array(np.arctan2(y.array, x.array))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        y, x = ctx.saved_tensors
        share = grad_output / (x * x + y * y)
        return share * x, -share * y


class Hypot(Function):
    """sqrt(x^2 + y^2), which overflows only if the result does; the derivatives are x and y over it"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        length = from_array(np.hypot(x.array, y.array))
        ctx.save_for_backward(x, y, length)
        return length

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y, length = ctx.saved_tensors
        return grad_output * (x / length), grad_output * (y / length)


class XLogY(Function):
    """x log(y), and 0 where x is; the derivatives are log(y) and x / y"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        ctx.save_for_backward(x, y)
        product = x.array * np.log(y.array)
        return from_array(np.where((x.array == 0) & (y.array == y.array), 0, product).astype(product.dtype, copy=False))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        nothing = (x == 0) & (y <= 0)
        return grad_output * where(nothing, 0.0, log(y)), grad_output * x / y


def _remainder(operation: str, input: Any, other: Any, rounding_mode: str) -> Tensor:
    x, y = operands(operation, input, other)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    if dtype.kind == "b":
        raise RuntimeError(f"{operation}: booleans have no remainder; convert them with .int()")
    if dtype.kind != "f":
        expect_none(array_of(y) == 0, f"{operation}: integer division by zero")
    return Remainder.apply(x, y, rounding_mode)


def remainder(input: Any, other: Any) -> Tensor:
    """Divide, round the quotient down, and take what is left: it has the sign of the divisor, as Python's ``%``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.

    Raises:
        RuntimeError: integers are divided by 0, both are boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.remainder(mg.tensor([-3, 3]), 2)
        tensor([1, 1])
    """
    return _remainder("remainder", input, other, "floor")


def fmod(input: Tensor, other: Any) -> Tensor:
    """Divide, round the quotient towards 0, and take what is left: it has the sign of the dividend, as in C.

    Args:
        input: a tensor.
        other: a tensor or a number; the shapes broadcast, the dtypes are promoted.

    Raises:
        RuntimeError: integers are divided by 0, both are boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.fmod(mg.tensor([-3, 3]), 2)
        tensor([-1,  1])
    """
    return _remainder("fmod", check_tensor("fmod", "input", input), other, "trunc")


def floor_divide(input: Any, other: Any) -> Tensor:
    """Divide and round down, as Python's ``//``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.

    Raises:
        RuntimeError: integers are divided by 0, both are boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.floor_divide(mg.tensor([-3, 3]), 2)
        tensor([-2,  1])
    """
    return div(input, other, rounding_mode="floor")


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Take the angle, in radians, of the points with the heights `input` and the widths `other`.

    Args:
        input, other: tensors whose shapes broadcast. Integers become floats.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.atan2(mg.tensor([1.0, -1.0]), mg.tensor([1.0, -1.0]))
        tensor([ 0.7854, -2.3562])
    """
    check_tensor("atan2", "input", input)
    return Atan2.apply(*operands("atan2", input, check_tensor("atan2", "other", other), quotient=True))


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """Take the length of the hypotenuse, ``sqrt(input^2 + other^2)``, without overflow in between.

    Args:
        input, other: floating-point tensors whose shapes broadcast.

    Raises:
        RuntimeError: an operand is not floating-point, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.hypot(mg.tensor([3.0]), mg.tensor([4.0]))
        tensor([5.])
    """
    x, y = operands("hypot", check_tensor("hypot", "input", input), check_tensor("hypot", "other", other))
    if x.dtype.kind != "f":
        raise RuntimeError(f"hypot: expected floating point tensors, got {input.dtype} and {other.dtype}")
    return Hypot.apply(x, y)


def xlogy(input: Any, other: Any) -> Tensor:
    """Compute ``input * log(other)``, and 0 where `input` is 0.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast. Integers become floats.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.xlogy(mg.tensor([0.0, 2.0]), mg.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    x, y = operands("xlogy", input, other, quotient=True)
    tensor = x if isinstance(x, Tensor) else y
    return XLogY.apply(*[o if isinstance(o, Tensor) else tensor.new_full((), o) for o in (x, y)])


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Take the number whose sigmoid `input` is, ``log(x / (1 - x))``.

    Args:
        input: a tensor of probabilities.
        eps: if given, they are limited to [eps, 1 - eps] first.

    Examples:
        >>> mg.logit(mg.tensor([0.5, 0.75]))
        tensor([0.0000, 1.0986])
    """
    x = floating("logit", input)
    if eps is not None:
        x = clamp(x, check_number("logit", "eps", eps), 1 - eps)
    return log(x / (1 - x))


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Replace what is below `min`; see `clamp`.

    Args:
        input: a tensor.
        min: a number or a tensor.

    Examples:
        >>> mg.clamp_min(mg.tensor([-1.0, 2.0]), 0)
        tensor([0., 2.])
    """
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Replace what is above `max`; see `clamp`.

    Args:
        input: a tensor.
        max: a number or a tensor.

    Examples:
        >>> mg.clamp_max(mg.tensor([-1.0, 2.0]), 0)
        tensor([-1.,  0.])
    """
    return clamp(input, max=max)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Go from `input` towards `end` by a share of the way: ``input + weight * (end - input)``.

    Args:
        input, end: tensors of one dtype.
        weight: a number or a tensor of that dtype; 0 is the start and 1 the end, exactly. The three broadcast.

    Raises:
        RuntimeError: the dtypes differ, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.lerp(mg.tensor([0.0, 10.0]), mg.tensor([1.0, 20.0]), 0.5)
        tensor([ 0.5000, 15.0000])
    """
    check_tensor("lerp", "input", input)
    check_tensor("lerp", "end", end)
    for name, value in (("end", end), ("weight", weight)):
        if isinstance(value, Tensor) and value.dtype != input.dtype:
            raise RuntimeError(f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {value.dtype}")
    way = end - input
    if isinstance(weight, Tensor):
        return where(abs(weight) < 0.5, input + weight * way, end - way * (1 - weight))
    near = check_number("lerp", "weight", weight) < 0.5
    return input + way * weight if near else end - way * (1 - weight)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Add a product: ``input + value * tensor1 * tensor2``.

    Args:
        input, tensor1, tensor2: tensors whose shapes broadcast.
        value: a factor for the product.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.addcmul(mg.ones(2), mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0]), value=10)
        tensor([31., 81.])
    """
    check_tensor("addcmul", "tensor1", tensor1)
    return add(input, mul(tensor1, check_tensor("addcmul", "tensor2", tensor2)), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Add a quotient: ``input + value * tensor1 / tensor2``.

    Args:
        input, tensor1, tensor2: tensors whose shapes broadcast.
        value: a factor for the quotient.

    Raises:
        RuntimeError: an integer is divided by an integer, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.addcdiv(mg.ones(2), mg.tensor([1.0, 2.0]), mg.tensor([4.0, 4.0]), value=10)
        tensor([3.5000, 6.0000])
    """
    check_tensor("addcdiv", "tensor1", tensor1)
    check_tensor("addcdiv", "tensor2", tensor2)
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise RuntimeError("addcdiv: integers are not divided by integers here; convert them with .float()")
    return add(input, div(tensor1, tensor2), alpha=value)
