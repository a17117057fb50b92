"""Activation functions as layers. Each is applied elementwise; input and output have one shape."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "ELU",
    "SELU",
    "GELU",
    "SiLU",
    "Hardswish",
    "Hardsigmoid",
    "Softplus",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "LogSoftmax",
]


class _MaybeInplace(Module):
    """An activation whose only setting is `inplace`: overwrite the input, which saves its memory."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_MaybeInplace):
    """Apply ``max(x, 0)`` to every element; the derivative at 0 is 0.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010).

    Examples:
        >>> nn.ReLU()(mg.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)


class ReLU6(_MaybeInplace):
    """Apply ``min(max(x, 0), 6)`` to every element.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Howard et al., "MobileNets" (2017).

    Examples:
        >>> nn.ReLU6()(mg.tensor([-1.0, 2.0, 8.0]))
        tensor([0., 2., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input, inplace=self.inplace)


class LeakyReLU(_MaybeInplace):
    """Apply x where x > 0, else ``negative_slope * x``, to every element.

    Args:
        negative_slope: the slope at negative numbers.
        inplace: overwrite the input, which saves its memory.

    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models" (2013).

    Examples:
        >>> nn.LeakyReLU(0.1)(mg.tensor([-2.0, 3.0]))
        tensor([-0.2000,  3.0000])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, inplace=self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(_MaybeInplace):
    """Apply x where x > 0, else ``alpha * (exp(x) - 1)``, to every element.

    Args:
        alpha: minus the limit at minus infinity.
        inplace: overwrite the input, which saves its memory.

    Source: Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2015).

    Examples:
        >>> nn.ELU()(mg.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, inplace=self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(_MaybeInplace):
    """Apply ``scale * x`` where x > 0, else ``scale * alpha * (exp(x) - 1)``, to every element.

    With alpha = 1.67326 and scale = 1.0507 layer after layer draws its activations towards mean 0 and variance 1.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).

    Examples:
        >>> nn.SELU()(mg.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, inplace=self.inplace)


class GELU(Module):
    """Apply ``x * Phi(x)`` to every element, Phi being the standard normal distribution function.

    Args:
        approximate: "none", or "tanh" for an approximation by tanh.

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    Examples:
        >>> nn.GELU()(mg.tensor([-1.0, 2.0]))
        tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_MaybeInplace):
    """Apply ``x * sigmoid(x)``, also called swish, to every element.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Elfwing et al., "Sigmoid-weighted linear units" (2017).

    Examples:
        >>> nn.SiLU()(mg.tensor([-1.0, 2.0]))
        tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)


class Hardswish(_MaybeInplace):
    """Apply ``x * min(max(x + 3, 0), 6) / 6`` to every element.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    Examples:
        >>> nn.Hardswish()(mg.tensor([-1.0, 1.0, 3.0]))
        tensor([-0.3333,  0.6667,  3.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return ""


class Hardsigmoid(_MaybeInplace):
    """Apply ``min(max(x + 3, 0), 6) / 6`` to every element.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    Examples:
        >>> nn.Hardsigmoid()(mg.tensor([-4.0, 0.0, 1.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return ""


class Softplus(Module):
    """Apply ``log(1 + exp(beta * x)) / beta``, a smooth ReLU, to every element.

    Args:
        beta: the larger, the nearer to ReLU.
        threshold: where ``beta * x`` exceeds it, the output is x itself.

    Examples:
        >>> nn.Softplus()(mg.tensor([-1.0, 0.0, 100.0]))
        tensor([  0.3133,   0.6931, 100.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """Apply ``1 / (1 + exp(-x))`` to every element.

    Examples:
        >>> nn.Sigmoid()(mg.tensor([-1.0, 0.0]))
        tensor([0.2689, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(Module):
    """Apply the hyperbolic tangent, ``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, to every element.

    Examples:
        >>> nn.Tanh()(mg.tensor([-1.0, 0.0]))
        tensor([-0.7616,  0.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softmax(Module):
    """Turn numbers into probabilities: ``exp(x_i) / sum_j exp(x_j)`` along a dimension.

    Args:
        dim: the dimension whose elements sum to 1 afterwards; None is deprecated.

    Examples:
        >>> nn.Softmax(dim=1)(mg.tensor([[1.0, 1.0], [0.0, 3.0]]))
        tensor([[0.5000, 0.5000],
                [0.0474, 0.9526]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """Compute the logarithm of softmax along a dimension, without overflow.

    Args:
        dim: the dimension; None is deprecated.

    Examples:
        >>> nn.LogSoftmax(dim=0)(mg.tensor([0.0, 1000.0]))
        tensor([-1000.,     0.])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
