"""Elementwise operations of two operands or more: arithmetic, maximum and minimum, `clamp`, `where`.

Functions of one variable are in `minigrad.ops.pointwise`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.node import NO_EDGE, NOT_A_TENSOR
from minigrad.kernels import implementation, is_dense
from minigrad.ops.arguments import (
    check_number,
    expect_none,
    number,
    operands,
)
from minigrad.ops.choice import where
from minigrad.ops.pointwise import log
from minigrad.tensor import Tensor, from_array

__all__ = ["add", "div", "mul", "pow", "sub"]


WORTH_A_KERNEL = 1 << 16  # elements from which a sum (of a residual, of two gradients) is shared between threads


def sum_of(a: Any, b: Any) -> Any:
    """a + b, by the kernel if both are large arrays of one shape."""
    return implementation("elementwise", a).add(a, b) if _worth_a_kernel(a, b) else a + b


def _worth_a_kernel(a: Any, b: Any) -> bool:
    arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return arrays and a.size >= WORTH_A_KERNEL and a.shape == b.shape and a.dtype == b.dtype and a.dtype.char in "fd"


def array_of(operand: Any) -> Any:
    """The array of a tensor; a Python number stays what it is."""
    return operand.array if isinstance(operand, Tensor) else operand


class Arithmetic(Function):
    """x and y joined by an operator; either may be a Python number"""

    @property
    def next_functions(self) -> Any:
        """The edges towards the leaves; a number behind the operator counts as a tensor, as in PyTorch."""
        x, y = self.edges[:2]
        return (y,) if x == NOT_A_TENSOR else (x, NO_EDGE if y == NOT_A_TENSOR else y)


class Add(Arithmetic):
    """x + y, or with `inplace` written over x: nothing is saved, since the derivatives are 1"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any, inplace: bool = False) -> Tensor:
        if not inplace:
            return from_array(sum_of(array_of(x), array_of(y)))
        implementation("elementwise", x.array).add(x.array, y.array, out=x.array)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output, grad_output, None


class Sub(Arithmetic):
    """x - y"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        return from_array(array_of(x) - array_of(y))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return grad_output, -grad_output if ctx.needs_input_grad[1] else None


class Mul(Arithmetic):
    """x * y"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        need_x, need_y = ctx.needs_input_grad
        ctx.save_for_backward(x if need_y else None, y if need_x else None)
        return from_array(array_of(x) * array_of(y))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        return None if y is None else grad_output * y, None if x is None else grad_output * x


class Div(Arithmetic):
    """x / y; with respect to y: -x / y^2"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, y)
        return from_array(np.true_divide(array_of(x), array_of(y)))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        need_x, need_y = ctx.needs_input_grad
        return grad_output / y if need_x else None, -grad_output * ((x / y) / y) if need_y else None


class DivRounded(Function):
    """x / y rounded to an integer, down ("floor") or towards zero ("trunc"): constant but for its jumps"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any, rounding_mode: str | None, dtype: Any) -> Tensor:
        a, b = array_of(x), array_of(y)
        if rounding_mode == "floor":
            quotient = np.floor_divide(a, b)
        elif dtype.kind == "f":
            quotient = np.trunc(np.true_divide(a, b))
        else:
            quotient = np.floor_divide(a, b)
            quotient = quotient + ((a % b != 0) & ((a < 0) != (b < 0)))
        return from_array(quotient.astype(dtype, copy=False))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        zero = grad_output * 0
        return zero, zero, None, None


class Pow(Function):
    """x ** y; with respect to x: y x^(y-1), to y: x^y log(x), and both are 0 where the factor in front is"""

    @staticmethod
    def forward(ctx: Context, x: Any, y: Any) -> Tensor:
        result = from_array(np.power(array_of(x), array_of(y)))
        ctx.save_for_backward(x, y, result if ctx.needs_input_grad[1] else None)
        return result

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, y, result = ctx.saved_tensors
        grad_x = grad_y = None
        if ctx.needs_input_grad[0]:
            if isinstance(y, Tensor):
                grad_x = where(y == 0, 0.0, grad_output * y * x ** (y - 1))
            else:
                grad_x = grad_output * 0.0 if y == 0 else grad_output * (y * x ** (y - 1))
        if ctx.needs_input_grad[1]:
            base = x if isinstance(x, Tensor) else grad_output.new_full((), x)
            grad_y = grad_output * where((base == 0) & (y >= 0), 0.0, result * log(base))
        return grad_x, grad_y


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Add two operands element by element: ``input + alpha * other``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.
        alpha: a factor for `other`.

    Raises:
        RuntimeError: the shapes do not broadcast, the tensors are on different devices, or `alpha` is a fraction and
            the operands are integers.

    Examples:
        >>> mg.add(mg.tensor([1.0, 2.0]), mg.tensor([[10.0], [20.0]]), alpha=2)
        tensor([[21., 22.],
                [41., 42.]])
    """
    return Add.apply(*_summands("add", input, other, alpha))


def _summands(operation: str, input: Any, other: Any, alpha: float) -> tuple[Any, Any]:
    """The operands `input` and alpha * `other`; `alpha` has no say in the dtype."""
    x, y = operands(operation, input, other)
    if type(alpha) is int and alpha == 1:
        return x, y
    check_number(operation, "alpha", alpha)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    if isinstance(alpha, bool) and dtype.kind != "b":
        raise RuntimeError(f"{operation}: a boolean alpha is for boolean tensors only, not for {dtype}")
    if isinstance(alpha, float) and dtype.kind != "f":
        raise RuntimeError(f"{operation}: alpha must be an integer for tensors of {dtype}, got {alpha}")
    return operands(operation, x, y & bool(alpha) if dtype.kind == "b" else y * alpha)


def adds_in_place(input: Tensor, other: Any) -> bool:
    """Whether the kernel can add `other` to the array of `input` in place."""
    if not isinstance(other, Tensor) or input._base is not None or not is_dense(input.array):
        return False
    a, b = input.array, other.array
    if isinstance(a, np.ndarray):
        return _worth_a_kernel(a, b)
    return type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype and a.dtype.char in "fd"


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Subtract element by element: ``input - alpha * other``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.
        alpha: a factor for `other`.

    Raises:
        RuntimeError: an operand is boolean, the shapes do not broadcast, the devices differ, or `alpha` is a fraction
            and the operands are integers.

    Examples:
        >>> mg.sub(mg.tensor([5, 7]), 2)
        tensor([3, 5])
    """
    x, y = _summands("sub", input, other, alpha)
    if any([isinstance(o, bool) or (isinstance(o, Tensor) and o.dtype == bool) for o in (input, other)]):
        raise RuntimeError("sub: subtraction with a bool tensor is not supported; use logical_not or ^ instead")
    return Sub.apply(x, y)


def mul(input: Any, other: Any) -> Tensor:
    """Multiply element by element: ``input * other``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.

    Raises:
        RuntimeError: the shapes do not broadcast, or the tensors are on different devices.

    Examples:
        A column times a row is an outer product.

        >>> mg.mul(mg.tensor([[1.0], [2.0]]), mg.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    return Mul.apply(*operands("mul", input, other))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Divide element by element: ``input / other``.

    Args:
        input, other: tensors, or a tensor and a number; their shapes broadcast. Integers are divided as floats
            unless a `rounding_mode` is given.
        rounding_mode: None, "trunc" (towards zero) or "floor" (downwards).

    Raises:
        RuntimeError: `rounding_mode` is another one, integers are rounded after a division by 0, booleans are
            rounded, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.div(mg.tensor([-7, 7]), 2)
        tensor([-3.5000,  3.5000])
        >>> mg.div(mg.tensor([-7, 7]), 2, rounding_mode="floor")
        tensor([-4,  3])
    """
    x, y = operands("div", input, other, quotient=rounding_mode is None)
    if rounding_mode not in (None, "trunc", "floor"):
        raise RuntimeError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    if rounding_mode is None:
        return Div.apply(x, y)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    if dtype.kind == "b":
        raise RuntimeError("div: booleans cannot be divided with a rounding_mode; convert them with .int()")
    if dtype.kind != "f":
        expect_none(array_of(y) == 0, "div: integer division by zero")
    return DivRounded.apply(x, y, rounding_mode, dtype)


def pow(input: Any, exponent: Any) -> Tensor:
    """Raise to a power element by element: ``input ** exponent``.

    Args:
        input, exponent: tensors, or a tensor and a number; their shapes broadcast, their dtypes are promoted.

    Raises:
        RuntimeError: integers are raised to a negative integer power, `exponent` is a number that the dtype cannot
            hold, both are boolean, the shapes do not broadcast, or the devices differ.

    Examples:
        >>> mg.pow(mg.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
        >>> mg.pow(2, mg.tensor([1, 2, 3]))
        tensor([2, 4, 8])
    """
    x, y = operands("pow", input, exponent)
    dtype = (x if isinstance(x, Tensor) else y).dtype
    if dtype.kind in "iu":
        # An exponent that is a number is looked at before it wraps around into an unsigned dtype.
        negative = (array_of(y) if isinstance(y, Tensor) else exponent) < 0
        expect_none(negative, "pow: integers to negative integer powers are not allowed; use a float tensor")
    if isinstance(y, Tensor):
        if dtype.kind == "b":
            raise RuntimeError("pow: powers of booleans are not implemented; convert them with .int()")
        return Pow.apply(x, y)
    number("pow", exponent, dtype)  # it must fit
    return x | (not y) if dtype.kind == "b" else Pow.apply(x, y)
