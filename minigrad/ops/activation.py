"""Activation functions. At kinks the derivatives are PyTorch's."""

from __future__ import annotations

import math
import warnings

from minigrad.autograd import Function
from minigrad.autograd.inplace import write
from minigrad.device import array_module
from minigrad.ops.arguments import check_floating, check_tensor, dimension
from minigrad.ops.elementwise import clamp, where
from minigrad.ops.pointwise import erf, expm1, pointwise, relu_, sigmoid, tanh
from minigrad.ops.pointwise import relu as plain_relu
from minigrad.tensor import Tensor, from_array

__all__ = [
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "log_softmax",
    "relu",
    "relu6",
    "silu",
    "softmax",
    "softplus",
]

# log(1 + exp(x)), which for large x is x; the public softplus has a scale and a threshold besides.
log1p_exp = pointwise("log1p_exp", lambda xp, x: xp.logaddexp(x, 0), lambda grad, x: grad * sigmoid(x))


class Softmax(Function):
    """y_i = exp(x_i) / sum_j exp(x_j); dx = y (dy - sum_j dy_j y_j)"""

    @staticmethod
    def forward(ctx, x, dim):
        ctx.dim = dim
        exponentials = array_module(x.array).exp(_shifted(x.array, dim))
        y = from_array(exponentials / exponentials.sum(dim, keepdims=True))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        weighted = grad_output * y
        return weighted - y * weighted.sum(ctx.dim, keepdim=True), None


class LogSoftmax(Function):
    """y_i = x_i - log sum_j exp(x_j); dx_i = dy_i - exp(y_i) sum_j dy_j"""

    @staticmethod
    def forward(ctx, x, dim):
        ctx.dim = dim
        xp, shifted = array_module(x.array), _shifted(x.array, dim)
        y = from_array(shifted - xp.log(xp.exp(shifted).sum(dim, keepdims=True)))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output - y.exp() * grad_output.sum(ctx.dim, keepdim=True), None


def _shifted(x, dim: int):
    """x less its largest element: quotients of exponentials stay the same, and none overflows."""
    return x - x.max(dim, keepdims=True) if x.size else x


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) over the dimension `dim`; with `dtype` the input is cast to it first."""
    return _over_dimension(Softmax, "softmax", input, dim, _stacklevel, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """log softmax(x) over the dimension `dim`, without exponentials that overflow; `dtype` as for softmax."""
    return _over_dimension(LogSoftmax, "log_softmax", input, dim, _stacklevel, dtype)


def _over_dimension(operation: type[Function], name: str, input: Tensor, dim, stacklevel: int, dtype) -> Tensor:
    check_tensor(name, "input", input)
    if dtype is not None:
        input = input.to(dtype)
    check_floating(name, "input", input)
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. "
            "Change the call to include dim=X as an argument.",
            stacklevel=stacklevel,
        )
        dim = 0 if input.ndim in (0, 1, 3) else 1
    dim = dimension(name, dim, input.ndim)
    if input.ndim == 0:
        return operation.apply(input.reshape(1), 0).reshape(())
    return operation.apply(input, dim)


def _maybe_in_place(function, input: Tensor, inplace: bool) -> Tensor:
    """function(input), written into `input` if asked for; what backward needs is kept of a copy then."""
    return write(input, function(input.clone()), computed=True) if inplace else function(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); the derivative at 0 is 0."""
    return relu_(input) if inplace else plain_relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6); the derivative at 0 and at 6 is 0. Howard et al., "MobileNets" (2017)."""
    check_tensor("relu6", "input", input)
    return _maybe_in_place(lambda x: where(x >= 6, 6, plain_relu(x)), input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else `negative_slope` x. Maas et al. (2013)."""
    check_floating("leaky_relu", "input", input)
    return _maybe_in_place(lambda x: where(x > 0, x, x * negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1). Clevert et al., "Exponential linear units" (2015)."""
    check_floating("elu", "input", input)
    # The branch not taken has a gradient too, of 0 times what it computes: that must not be infinite.
    return _maybe_in_place(lambda x: where(x > 0, x, expm1(clamp(x, max=0)) * alpha), input, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), Phi the normal distribution function; `approximate="tanh"` is an older formula near it.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016).
    """
    check_floating("gelu", "input", input)
    if approximate == "none":
        return input * 0.5 * (erf(input * math.sqrt(0.5)) + 1)
    if approximate == "tanh":
        inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
        return input * 0.5 * (tanh(inner) + 1)
    raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x). Elfwing et al. (2017)."""
    check_floating("silu", "input", input)
    return _maybe_in_place(lambda x: x * sigmoid(x), input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6; the derivative at -3 and at 3 is 0."""
    check_floating("hardsigmoid", "input", input)
    return _maybe_in_place(lambda x: relu6(x + 3) / 6, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6; the derivative is 0 at -3 and 1 at 3.

    Howard et al., "Searching for MobileNetV3" (2019).
    """
    check_floating("hardswish", "input", input)
    return _maybe_in_place(lambda x: x * relu6(x + 3) / 6, input, inplace)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold."""
    check_floating("softplus", "input", input)
    scaled = input * beta
    return where(scaled > threshold, input, log1p_exp(scaled) / beta)
