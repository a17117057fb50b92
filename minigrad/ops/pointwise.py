"""Functions of one variable: each is two formulas, the value and the derivative.

See `pointwise`, and the list below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd import Function, is_grad_enabled
from minigrad.autograd.inplace import check_writable, write
from minigrad.device import array_module
from minigrad.kernels.dispatch import implementation
from minigrad.kernels.geometry import is_dense
from minigrad.ops.arguments import check_number, check_tensor, floating
from minigrad.ops.fusion import Forthcoming, Gated, Scattered, rectified
from minigrad.tensor import Tensor, from_array

__all__ = [
    "abs",
    "ceil",
    "cos",
    "erf",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "log2",
    "neg",
    "reciprocal",
    "relu",
    "relu_",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "tanh",
    "trunc",
]


Pointwise = Callable[[Tensor], Tensor]


def pointwise(name: str, value, derivative, of: str = "input", integers: str = "float") -> Pointwise:
    """A public function of one variable from its value and its derivative.

    ``value(xp, x)`` computes with arrays, `xp` being their module (NumPy or CuPy). ``derivative(grad, t)`` is
    written in tensors, `t` being the function's `of` = "input" or "output", whichever makes it simpler; None
    for a derivative that is 0 everywhere. `integers` says what becomes of them: "float" or "same".
    """

    def forward(ctx, x):
        y = from_array(value(array_module(x.array), x.array))
        if derivative is not None:
            ctx.save_for_backward(x if of == "input" else y)
        return y

    def backward(ctx, grad_output):
        return derivative(grad_output, *ctx.saved_tensors) if derivative else grad_output * 0

    operation: Any = type(
        name.capitalize(),
        (Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward), "__module__": __name__},
    )

    def function(input: Tensor) -> Tensor:
        if integers == "float":
            return operation.apply(floating(name, input))
        return operation.apply(check_tensor(name, "input", input))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x) of every element; the derivative is taken from the {of}."
    return function


def _sign(xp, x):
    # The sign of NaN is 0, as in PyTorch.
    return x.copy() if x.dtype == bool else xp.where(x == x, xp.sign(x), 0)


def _erf(xp, x):
    if xp is not np:
        return implementation("elementwise", x).erf(x)
    from scipy.special import erf  # at first use: SciPy takes its time to import

    return erf(x)


_neg = pointwise("neg", lambda xp, x: -x, lambda grad, x: -grad, integers="same")
abs = pointwise("abs", lambda xp, x: xp.abs(x), lambda grad, x: grad * sign(x), integers="same")
sign: Pointwise = pointwise("sign", _sign, None, integers="same")
exp = pointwise("exp", lambda xp, x: xp.exp(x), lambda grad, y: grad * y, of="output")
expm1 = pointwise("expm1", lambda xp, x: xp.expm1(x), lambda grad, y: grad * (y + 1), of="output")
log = pointwise("log", lambda xp, x: xp.log(x), lambda grad, x: grad / x)
log1p = pointwise("log1p", lambda xp, x: xp.log1p(x), lambda grad, x: grad / (x + 1))
log2 = pointwise("log2", lambda xp, x: xp.log2(x), lambda grad, x: grad / (x * math.log(2)))
sqrt = pointwise("sqrt", lambda xp, x: xp.sqrt(x), lambda grad, y: grad / (y * 2), of="output")
rsqrt = pointwise("rsqrt", lambda xp, x: 1 / xp.sqrt(x), lambda grad, y: grad * (-0.5 * y**3), of="output")
square = pointwise(
    "square",
    lambda xp, x: xp.multiply(x, x, dtype=np.int64 if x.dtype == bool else None),
    lambda grad, x: grad * (x * 2),
    integers="same",
)
reciprocal = pointwise("reciprocal", lambda xp, x: 1 / x, lambda grad, y: -grad * (y * y), of="output")
sin = pointwise("sin", lambda xp, x: xp.sin(x), lambda grad, x: grad * cos(x))
cos: Pointwise = pointwise("cos", lambda xp, x: xp.cos(x), lambda grad, x: grad * -sin(x))
tanh = pointwise("tanh", lambda xp, x: xp.tanh(x), lambda grad, y: grad * (1 - y * y), of="output")
sigmoid = pointwise(
    "sigmoid",
    # exp of a negative number only: it cannot overflow
    lambda xp, x: xp.where(x >= 0, 1, xp.exp(-xp.abs(x))) / (1 + xp.exp(-xp.abs(x))),
    lambda grad, y: grad * (y * (1 - y)),
    of="output",
)
erf = pointwise("erf", _erf, lambda grad, x: grad * (2 / math.sqrt(math.pi)) * exp(-(x * x)))
floor = pointwise("floor", lambda xp, x: xp.floor(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")
ceil = pointwise("ceil", lambda xp, x: xp.ceil(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")
trunc = pointwise("trunc", lambda xp, x: xp.trunc(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")


def neg(input: Tensor) -> Tensor:
    """-input; booleans have no negative."""
    check_tensor("neg", "input", input)
    if input.dtype == bool:
        raise RuntimeError("neg: negation of a bool tensor is not supported; use ~ or logical_not instead")
    return _neg(input)


class ReLU(Function):
    """max(x, 0); the derivative at 0 is 0, as in PyTorch"""

    takes_deferred = True

    @staticmethod
    def forward(ctx, x):
        y = from_array(rectified(x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        if isinstance(grad_output, Scattered) and grad_output.maker is ctx and not is_grad_enabled():
            return from_array(grad_output.gated())
        return ReLUBackward.apply(grad_output, y.detach())


class ReLUInPlace(ReLU):
    """max(x, 0) where x lies in memory: backward needs the result only, so nothing is kept of what was overwritten"""

    @staticmethod
    def forward(ctx, x):
        if isinstance(x, Forthcoming):
            x.array = rectified(x)
        else:
            implementation("elementwise", x.array).relu(x.array, out=x.array)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x


ReLUInPlace.__name__ = "ReLU"  # on the tape it is the same operation


class ReLUBackward(Function):
    """grad where y > 0, else 0: linear in grad, so that its derivative is itself"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx, grad, y):
        ctx.y = y
        return Gated(grad.array, y.array)

    @staticmethod
    def backward(ctx, grad_output):
        return ReLUBackward.apply(grad_output, ctx.y), None


def relu(input: Tensor) -> Tensor:
    """max(x, 0) of every element; the derivative at 0 is 0."""
    check_tensor("relu", "input", input)
    if input.dtype.kind == "b":
        raise RuntimeError("relu: boolean inputs are not supported; convert them with .float()")
    return ReLU.apply(input)


def relu_(input: Tensor) -> Tensor:
    """As `relu`, in place."""
    check_tensor("relu_", "input", input)
    check_writable(input)
    if isinstance(input, Forthcoming) or (input._base is None and is_dense(input.array)):
        return ReLUInPlace.apply(input)
    return write(input, relu(input._alias()), computed=True)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest integer, halves to the even one; with `decimals`, the nearest number of that many digits."""
    check_tensor("round", "input", input)
    check_number("round", "decimals", decimals)
    if input.dtype.kind != "f":
        return input.clone()
    return _round(input) if decimals == 0 else _round(input * 10.0**decimals) / 10.0**decimals


_round = pointwise("round", lambda xp, x: xp.rint(x), None)
