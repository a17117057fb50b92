"""Functions of one variable, each made of two formulas: the value and the derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.inplace import check_writable, write
from minigrad.device import array_module
from minigrad.kernels import implementation, implementation_on_gpu, is_dense
from minigrad.ops.arguments import check_number, check_tensor, floating
from minigrad.tensor import Tensor, from_array

__all__ = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "log",
    "log10",
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
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]


Pointwise = Callable[[Tensor], Tensor]

# What a function computes, and an example: values and results.
DESCRIBED = {
    "abs": ("Take the absolute value (derivative 0 at 0) of", "-1.5, 2.0", "1.5000, 2.0000"),
    "sign": ("Take the sign, -1, 0 or 1, of", "-1.5, 0.0, 2.0", "-1.,  0.,  1."),
    "exp": ("Apply ``e^x`` to", "0.0, 1.0", "1.0000, 2.7183"),
    "expm1": ("Apply ``e^x - 1``, accurate for small x, to", "0.0, 1.0", "0.0000, 1.7183"),
    "log": ("Take the natural logarithm of", "1.0, 2.0", "0.0000, 0.6931"),
    "log1p": ("Apply ``log(1 + x)``, accurate for small x, to", "0.0, 1.0", "0.0000, 0.6931"),
    "log2": ("Take the logarithm to base 2 of", "1.0, 8.0", "0., 3."),
    "sqrt": ("Take the square root of", "4.0, 2.0", "2.0000, 1.4142"),
    "rsqrt": ("Apply ``1 / sqrt(x)`` to", "4.0, 1.0", "0.5000, 1.0000"),
    "square": ("Apply ``x * x`` to", "-3.0, 2.0", "9., 4."),
    "reciprocal": ("Apply ``1 / x`` to", "4.0, -1.0", " 0.2500, -1.0000"),
    "sin": ("Take the sine, in radians, of", "0.0, 1.0", "0.0000, 0.8415"),
    "cos": ("Take the cosine, in radians, of", "0.0, 1.0", "1.0000, 0.5403"),
    "tanh": ("Take the hyperbolic tangent of", "0.0, 1.0", "0.0000, 0.7616"),
    "sigmoid": ("Apply ``1 / (1 + e^-x)`` to", "0.0, 2.0, -1000.0", "0.5000, 0.8808, 0.0000"),
    "erf": (
        "Apply the error function, 2 / sqrt(pi) times the integral of ``e^-t^2`` from 0 to x, to",
        "0.0, 1.0",
        "0.0000, 0.8427",
    ),
    "tan": ("Take the tangent, in radians, of", "0.0, 1.0", "0.0000, 1.5574"),
    "asin": ("Take the arc sine, in radians, of", "0.0, 1.0", "0.0000, 1.5708"),
    "acos": ("Take the arc cosine, in radians, of", "0.0, 1.0", "1.5708, 0.0000"),
    "atan": ("Take the arc tangent, in radians, of", "0.0, 1.0", "0.0000, 0.7854"),
    "sinh": ("Take the hyperbolic sine of", "0.0, 1.0", "0.0000, 1.1752"),
    "cosh": ("Take the hyperbolic cosine of", "0.0, 1.0", "1.0000, 1.5431"),
    "asinh": ("Take the inverse hyperbolic sine of", "0.0, 1.0", "0.0000, 0.8814"),
    "acosh": ("Take the inverse hyperbolic cosine of", "1.0, 2.0", "0.0000, 1.3170"),
    "atanh": ("Take the inverse hyperbolic tangent of", "0.0, 0.5", "0.0000, 0.5493"),
    "exp2": ("Apply ``2^x`` to", "0.0, 3.0", "1., 8."),
    "log10": ("Take the logarithm to base 10 of", "1.0, 1000.0", "0.0000, 3.0000"),
    "sinc": ("Apply ``sin(pi x) / (pi x)``, 1 at 0, to", "0.0, 0.5", "1.0000, 0.6366"),
    "frac": ("Take what is behind the decimal point of", "1.5, -2.25", " 0.5000, -0.2500"),
    "floor": ("Round down", "-1.5, 1.5", "-2.,  1."),
    "ceil": ("Round up", "-1.5, 1.5", "-1.,  2."),
    "trunc": ("Round towards 0", "-1.5, 1.5", "-1.,  1."),
}


def pointwise(
    name: str,
    value: Callable[..., Any],
    derivative: Callable[..., Tensor] | None,
    of: str = "input",
    integers: str = "float",
) -> Pointwise:
    """Make a function of one variable from its value and its derivative; a public one is described in `DESCRIBED`.

    Args:
        name: the function's name.
        value: ``value(xp, x)`` computes with arrays; `xp` is their module, NumPy or CuPy.
        derivative: ``derivative(grad, t)`` computes with tensors; None if the derivative is 0 everywhere.
        of: what `derivative` is given as `t`, the function's "input" or "output", whichever is simpler; "nothing"
            where it takes the gradient only.
        integers: what integers become, "float" or "same".
    """

    def forward(ctx: Context, x: Tensor) -> Tensor:
        y = from_array(value(array_module(x.array), x.array))
        if derivative is not None and of != "nothing":
            ctx.save_for_backward(x if of == "input" else y)
        return y

    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
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
    if name in DESCRIBED:
        function.__doc__ = _docstring(name, integers == "float", derivative is None)
    return function


def _docstring(name: str, as_float: bool, flat: bool) -> str:
    what, before, after = DESCRIBED[name]
    notes = ["Integers and booleans become floating-point numbers."] * as_float
    notes += ["The derivative is 0 everywhere."] * flat
    paragraphs = [f"{what} every element of `input`, a tensor of any shape."]
    if notes:
        paragraphs.append(" ".join(notes))
    paragraphs.append(f"Examples:\n    >>> mg.{name}(mg.tensor([{before}]))\n    tensor([{after}])")
    return "\n\n".join(paragraphs) + "\n"


def _sign(xp: Any, x: Any) -> Any:
    # The sign of NaN is 0, as in PyTorch.
    return x.copy() if x.dtype == bool else xp.where(x == x, xp.sign(x), 0)


def _erf(xp: Any, x: Any) -> Any:
    if xp is not np:
        return implementation_on_gpu("elementwise").erf(x)
    from scipy.special import erf  # at first use: SciPy takes its time to import

    return erf(x).astype(x.dtype, copy=False)  # SciPy makes float16 wider


def _sinc_slope(x: Tensor) -> Tensor:
    """(cos(pi x) - sinc(x)) / x, which is 0 at 0."""
    zero = x == 0
    x = x.masked_fill(zero, 1)
    return ((cos(x * math.pi) - sinc(x)) / x).masked_fill(zero, 0)


_neg = pointwise("neg", lambda xp, x: -x, lambda grad: -grad, of="nothing", integers="same")
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
tan = pointwise("tan", lambda xp, x: xp.tan(x), lambda grad, y: grad * (y * y + 1), of="output")
asin = pointwise("asin", lambda xp, x: xp.arcsin(x), lambda grad, x: grad * rsqrt(1 - x * x))
acos = pointwise("acos", lambda xp, x: xp.arccos(x), lambda grad, x: -grad * rsqrt(1 - x * x))
atan = pointwise("atan", lambda xp, x: xp.arctan(x), lambda grad, x: grad / (x * x + 1))
sinh = pointwise("sinh", lambda xp, x: xp.sinh(x), lambda grad, x: grad * cosh(x))
cosh: Pointwise = pointwise("cosh", lambda xp, x: xp.cosh(x), lambda grad, x: grad * sinh(x))
asinh = pointwise("asinh", lambda xp, x: xp.arcsinh(x), lambda grad, x: grad * rsqrt(x * x + 1))
acosh = pointwise("acosh", lambda xp, x: xp.arccosh(x), lambda grad, x: grad * rsqrt(x * x - 1))
atanh = pointwise("atanh", lambda xp, x: xp.arctanh(x), lambda grad, x: grad / (1 - x * x))
exp2 = pointwise("exp2", lambda xp, x: xp.exp2(x), lambda grad, y: grad * (y * math.log(2)), of="output")
log10 = pointwise("log10", lambda xp, x: xp.log10(x), lambda grad, x: grad / (x * math.log(10)))
sinc = pointwise("sinc", lambda xp, x: xp.sinc(x).astype(x.dtype, copy=False), lambda grad, x: grad * _sinc_slope(x))
frac = pointwise("frac", lambda xp, x: x - xp.trunc(x), lambda grad: grad * 1, of="nothing")
erf = pointwise("erf", _erf, lambda grad, x: grad * (2 / math.sqrt(math.pi)) * exp(-(x * x)))
floor = pointwise("floor", lambda xp, x: xp.floor(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")
ceil = pointwise("ceil", lambda xp, x: xp.ceil(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")
trunc = pointwise("trunc", lambda xp, x: xp.trunc(x) if x.dtype.kind == "f" else x.copy(), None, integers="same")


def neg(input: Tensor) -> Tensor:
    """Negate every element of `input`, a tensor of any shape.

    Raises:
        RuntimeError: the input is boolean; use ~ or `logical_not`.

    Examples:
        >>> mg.neg(mg.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    check_tensor("neg", "input", input)
    if input.dtype == bool:
        raise RuntimeError("neg: negation of a bool tensor is not supported; use ~ or logical_not instead")
    return _neg(input)


class ReLU(Function):
    """max(x, 0); the derivative at 0 is 0, as in PyTorch

    With `inplace` it is written over x: backward needs the result only, so nothing of the input is saved.
    """

    @staticmethod
    def forward(x: Tensor, inplace: bool) -> Tensor:
        kernel = implementation("elementwise", x.array)
        if not inplace:
            return from_array(kernel.relu(x.array))
        if is_dense(x.array):
            kernel.relu(x.array, out=x.array)
        else:
            x.array[...] = kernel.relu(x.array)
        return x

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        if output is inputs[0]:
            ctx.mark_dirty(output)
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (y,) = ctx.saved_tensors
        return ReLUBackward.apply(grad_output, y.detach()), None


class ReLUBackward(Function):
    """grad where y > 0, else 0: linear in grad, so that its derivative is itself"""

    fresh_gradients = True

    @staticmethod
    def forward(grad: Tensor, y: Tensor) -> Tensor:
        return from_array(implementation("elementwise", grad.array).relu_backward(grad.array, y.array))

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return ReLUBackward.apply(grad_output, *ctx.saved_tensors), None


def relu(input: Tensor) -> Tensor:
    """Apply ``max(x, 0)`` to every element of `input`, a tensor of any shape; the derivative at 0 is 0.

    Raises:
        RuntimeError: the input is boolean.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010).

    Examples:
        >>> mg.relu(mg.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """
    check_tensor("relu", "input", input)
    if input.dtype.kind == "b":
        raise RuntimeError("relu: boolean inputs are not supported; convert them with .float()")
    return ReLU.apply(input, False)


def relu_(input: Tensor) -> Tensor:
    """Apply `relu` to `input` in place, and return it.

    Raises:
        RuntimeError: the input is boolean, or cannot be written in place.

    Examples:
        >>> mg.relu_(mg.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """
    check_tensor("relu_", "input", input)
    check_writable(input)
    if input._base is None:
        return ReLU.apply(input, True)
    return write(input, relu(input._alias()), computed=True)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Round to the nearest integer, halves to the even one.

    Args:
        input: a tensor; integers are returned as they are.
        decimals: round to this many decimal digits; negative ones round to tens, hundreds, ...

    Examples:
        >>> mg.round(mg.tensor([0.5, 1.5, 2.6]))
        tensor([0., 2., 3.])
        >>> mg.round(mg.tensor([3.14159]), decimals=2)
        tensor([3.1400])
    """
    check_tensor("round", "input", input)
    check_number("round", "decimals", decimals)
    if input.dtype.kind != "f":
        return input.clone()
    return _round(input) if decimals == 0 else _round(input * 10.0**decimals) / 10.0**decimals


_round = pointwise("round", lambda xp, x: xp.rint(x), None)
