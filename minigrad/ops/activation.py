"""Activation functions. At kinks the derivatives are PyTorch's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.autograd.inplace import write
from minigrad.device import array_module
from minigrad.ops.arguments import check_floating, check_tensor, dimension, in_float32
from minigrad.ops.choice import clamp, where
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
    "selu",
    "silu",
    "softmax",
    "softplus",
]

# log(1 + exp(x)), which for large x is x; the public softplus has a scale and a threshold besides.
log1p_exp = pointwise("log1p_exp", lambda xp, x: xp.logaddexp(x, 0), lambda grad, x: grad * sigmoid(x))


class Softmax(Function):
    """y_i = exp(x_i) / sum_j exp(x_j); dx = y (dy - sum_j dy_j y_j)"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        exponentials = array_module(x.array).exp(_shifted(x.array, dim))
        y = from_array(exponentials / exponentials.sum(dim, keepdims=True))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (y,) = ctx.saved_tensors
        weighted = grad_output * y
        return weighted - y * weighted.sum(ctx.dim, keepdim=True), None


class LogSoftmax(Function):
    """y_i = x_i - log sum_j exp(x_j); dx_i = dy_i - exp(y_i) sum_j dy_j"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        xp, shifted = array_module(x.array), _shifted(x.array, dim)
        y = from_array(shifted - xp.log(xp.exp(shifted).sum(dim, keepdims=True)))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        (y,) = ctx.saved_tensors
        return grad_output - y.exp() * grad_output.sum(ctx.dim, keepdim=True), None


def _shifted(x: Any, dim: int) -> Any:
    """x less its largest element: quotients of exponentials stay the same, and none overflows."""
    return x - x.max(dim, keepdims=True) if x.size else x


@in_float32
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DTypeLike | None = None) -> Tensor:
    """Turn numbers into probabilities: ``exp(x_i) / sum_j exp(x_j)`` along a dimension.

    The largest element is subtracted first, so that no exponential overflows.

    Args:
        input: a floating-point tensor of any shape.
        dim: the dimension whose elements sum to 1 afterwards. None is deprecated, as in PyTorch: 0 for tensors of
            0, 1 or 3 dimensions, else 1.
        dtype: cast the input to it first.

    Raises:
        RuntimeError: the input is not floating-point.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> F.softmax(mg.tensor([0.0, 0.0, 1000.0]), dim=0)
        tensor([0., 0., 1.])
        >>> F.softmax(mg.tensor([[1.0, 1.0], [0.0, 3.0]]), dim=1)
        tensor([[0.5000, 0.5000],
                [0.0474, 0.9526]])
    """
    return _over_dimension(Softmax, "softmax", input, dim, _stacklevel, dtype)


@in_float32
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DTypeLike | None = None) -> Tensor:
    """Compute the logarithm of `softmax` without overflow or rounding to log 0.

    Args:
        input, dim, dtype: as for `softmax`.

    Raises:
        RuntimeError: the input is not floating-point.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> F.log_softmax(mg.tensor([0.0, 1000.0]), dim=0)
        tensor([-1000.,     0.])
    """
    return _over_dimension(LogSoftmax, "log_softmax", input, dim, _stacklevel, dtype)


def _over_dimension(
    operation: type[Function], name: str, input: Tensor, dim: int | None, stacklevel: int, dtype: Any
) -> Tensor:
    check_tensor(name, "input", input)
    if dtype is not None:
        input = input.to(dtype)
    check_floating(name, "input", input)
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. "
            "Change the call to include dim=X as an argument.",
            stacklevel=stacklevel + 1,
        )
        dim = 0 if input.ndim in (0, 1, 3) else 1
    dim = dimension(name, dim, input.ndim)
    if input.ndim == 0:
        return operation.apply(input.reshape(1), 0).reshape(())
    return operation.apply(input, dim)


def maybe_in_place(function: Callable[[Tensor], Tensor], input: Tensor, inplace: bool) -> Tensor:
    """function(input), written into `input` if `inplace`; backward then uses values of a copy."""
    compute = in_float32(function)
    return write(input, compute(input.clone()), computed=True) if inplace else compute(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``max(x, 0)`` to every element; the derivative at 0 is 0.

    Args:
        input: a tensor of numbers of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is boolean, or cannot be written in place.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010).

    Examples:
        >>> F.relu(mg.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """
    return relu_(input) if inplace else plain_relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``min(max(x, 0), 6)`` to every element; the derivative at 0 and at 6 is 0.

    Args:
        input: a tensor of numbers of any shape.
        inplace: overwrite `input` and return it.

    Source: Howard et al., "MobileNets" (2017).

    Examples:
        >>> F.relu6(mg.tensor([-1.0, 2.0, 8.0]))
        tensor([0., 2., 6.])
    """
    check_tensor("relu6", "input", input)
    return maybe_in_place(lambda x: where(x >= 6, 6, plain_relu(x)), input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Apply x where x > 0, else ``negative_slope * x``, to every element.

    Args:
        input: a floating-point tensor of any shape.
        negative_slope: the slope at negative numbers and at 0.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models" (2013).

    Examples:
        >>> F.leaky_relu(mg.tensor([-2.0, 3.0]), 0.1)
        tensor([-0.2000,  3.0000])
    """
    check_floating("leaky_relu", "input", input)
    return maybe_in_place(lambda x: where(x > 0, x, x * negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Apply x where x > 0, else ``alpha * (exp(x) - 1)``, to every element.

    Args:
        input: a floating-point tensor of any shape.
        alpha: minus the limit at minus infinity.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2015).

    Examples:
        >>> F.elu(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.6321,  0.0000,  1.0000])
    """
    check_floating("elu", "input", input)
    # The branch not taken has a gradient too, of 0 times what it computes: that must not be infinite.
    return maybe_in_place(lambda x: where(x > 0, x, expm1(clamp(x, max=0)) * alpha), input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``scale * x`` where x > 0, else ``scale * alpha * (exp(x) - 1)``, to every element.

    With alpha = 1.67326 and scale = 1.0507 layer after layer draws its activations towards mean 0 and variance 1.

    Args:
        input: a floating-point tensor of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).

    Examples:
        >>> F.selu(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-1.1113,  0.0000,  1.0507])
    """
    check_floating("selu", "input", input)
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return maybe_in_place(lambda x: elu(x, alpha) * scale, input, inplace)


@in_float32
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Apply ``x * Phi(x)`` to every element, Phi being the standard normal distribution function.

    Args:
        input: a floating-point tensor of any shape.
        approximate: "none", or "tanh" for ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))``.

    Raises:
        RuntimeError: the input is not floating-point, or `approximate` is another one.

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    Examples:
        >>> F.gelu(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
        >>> F.gelu(mg.tensor([-1.0, 0.0, 1.0]), approximate="tanh")
        tensor([-0.1588,  0.0000,  0.8412])
    """
    check_floating("gelu", "input", input)
    if approximate == "none":
        return input * 0.5 * (erf(input * math.sqrt(0.5)) + 1)
    if approximate == "tanh":
        inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
        return input * 0.5 * (tanh(inner) + 1)
    raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``x * sigmoid(x)`` to every element.

    Args:
        input: a floating-point tensor of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Elfwing et al., "Sigmoid-weighted linear units" (2017).

    Examples:
        >>> F.silu(mg.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    check_floating("silu", "input", input)
    return maybe_in_place(lambda x: x * sigmoid(x), input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``min(max(x + 3, 0), 6) / 6`` to every element; the derivative at -3 and at 3 is 0.

    Args:
        input: a floating-point tensor of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    Examples:
        >>> F.hardsigmoid(mg.tensor([-4.0, 0.0, 1.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """
    check_floating("hardsigmoid", "input", input)
    return maybe_in_place(lambda x: relu6(x + 3) / 6, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Apply ``x * min(max(x + 3, 0), 6) / 6`` to every element; the derivative is 0 at -3 and 1 at 3.

    Args:
        input: a floating-point tensor of any shape.
        inplace: overwrite `input` and return it.

    Raises:
        RuntimeError: the input is not floating-point.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    Examples:
        >>> F.hardswish(mg.tensor([-1.0, 1.0, 3.0]))
        tensor([-0.3333,  0.6667,  3.0000])
    """
    check_floating("hardswish", "input", input)
    return maybe_in_place(lambda x: x * relu6(x + 3) / 6, input, inplace)


@in_float32
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """Apply ``log(1 + exp(beta * x)) / beta``, a smooth ReLU, to every element.

    Args:
        input: a floating-point tensor of any shape.
        beta: the larger, the nearer to ReLU.
        threshold: where ``beta * x`` exceeds it, the result is x itself.

    Raises:
        RuntimeError: the input is not floating-point.

    Examples:
        >>> F.softplus(mg.tensor([-1.0, 0.0, 100.0]))
        tensor([  0.3133,   0.6931, 100.0000])
    """
    check_floating("softplus", "input", input)
    scaled = input * beta
    return where(scaled > threshold, input, log1p_exp(scaled) / beta)
