"""Activation functions as layers that fewer networks use. Input and output have one shape, except of `GLU`."""

from __future__ import annotations

from numpy.typing import DTypeLike

from minigrad.device import device as Device
from minigrad.nn import functional as F
from minigrad.nn.init import constant_
from minigrad.nn.member import Member
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.creation import empty
from minigrad.tensor import Tensor

__all__ = [
    "CELU",
    "GLU",
    "Hardshrink",
    "Hardtanh",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "Softmax2d",
    "Softmin",
    "Softshrink",
    "Softsign",
    "Tanhshrink",
    "Threshold",
]


class CELU(Module):
    """Apply x where x > 0, else ``alpha * (exp(x / alpha) - 1)``, to every element.

    Args:
        alpha: minus the limit at minus infinity; not 0.
        inplace: overwrite the input, which saves its memory.

    Source: Barron, "Continuously differentiable exponential linear units" (2017).

    Examples:
        >>> nn.CELU()(mg.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Mish(Module):
    """Apply ``x * tanh(log(1 + exp(x)))`` to every element.

    Args:
        inplace: overwrite the input, which saves its memory.

    Source: Misra, "Mish: a self regularized non-monotonic activation function" (2019).

    Examples:
        >>> nn.Mish()(mg.tensor([-1.0, 1.0]))
        tensor([-0.3034,  0.8651])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Softsign(Module):
    """Apply ``x / (1 + |x|)`` to every element.

    Examples:
        >>> nn.Softsign()(mg.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """Apply ``x - tanh(x)`` to every element.

    Examples:
        >>> nn.Tanhshrink()(mg.tensor([-1.0, 1.0]))
        tensor([-0.2384,  0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class LogSigmoid(Module):
    """Apply ``log(1 / (1 + exp(-x)))`` to every element, without overflow.

    Examples:
        >>> nn.LogSigmoid()(mg.tensor([-200.0, 0.0]))
        tensor([-200.0000,   -0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Hardshrink(Module):
    """Keep the elements whose size exceeds a bound, and make the others 0.

    Args:
        lambd: the bound.

    Examples:
        >>> nn.Hardshrink()(mg.tensor([-1.0, 0.3, 0.6]))
        tensor([-1.0000,  0.0000,  0.6000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Module):
    """Draw every element towards 0 by a bound, and make those within it 0.

    Args:
        lambd: the bound.

    Examples:
        >>> nn.Softshrink()(mg.tensor([-1.0, 0.3, 0.6]))
        tensor([-0.5000,  0.0000,  0.1000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardtanh(Module):
    """Cut every element to an interval.

    Args:
        min_val, max_val: the interval.
        inplace: overwrite the input, which saves its memory.
        min_value, max_value: old names of `min_val` and `max_val`.

    Raises:
        ValueError: the interval is empty.

    Examples:
        >>> nn.Hardtanh()(mg.tensor([-2.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        min_val, max_val = min_val if min_value is None else min_value, max_val if max_value is None else max_value
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: max_val must be greater than min_val, got {min_val} and {max_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class Threshold(Module):
    """Keep the elements above a threshold, and replace the others.

    Args:
        threshold: what an element must exceed.
        value: what takes the place of the others.
        inplace: overwrite the input, which saves its memory.

    Examples:
        >>> nn.Threshold(0.5, 9.0)(mg.tensor([0.3, 0.6]))
        tensor([9.0000, 0.6000])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class Softmin(Module):
    """Turn numbers into probabilities, the smallest into the largest.

    Args:
        dim: the dimension whose elements sum to 1 afterwards.

    Examples:
        >>> nn.Softmin(0)(mg.tensor([0.0, 0.0, 1000.0]))
        tensor([0.5000, 0.5000, 0.0000])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Turn the channels of every pixel into probabilities.

    Shapes:
        input and output (N, C, H, W) or (C, H, W).

    Examples:
        >>> nn.Softmax2d()(mg.zeros(1, 2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class GLU(Module):
    """Multiply one half of a dimension by the sigmoid of the other.

    Args:
        dim: the dimension that is halved.

    Source: Dauphin et al., "Language modeling with gated convolutional networks" (2016).

    Examples:
        >>> nn.GLU()(mg.tensor([1.0, 2.0, 0.0, 1000.0]))
        tensor([0.5000, 2.0000])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class PReLU(Module):
    """Apply x where x > 0, else ``weight * x``, with a slope that is learned.

    Args:
        num_parameters: 1, or the number of channels, each of which then has a slope of its own.
        init: the slope to begin with.
        device, dtype: of the parameter.

    Shapes:
        input and output (N, C, ...), or any shape with one slope.

    Source: He et al., "Delving deep into rectifiers" (2015).

    Examples:
        >>> nn.PReLU()(mg.tensor([-4.0, 2.0])).detach()
        tensor([-1.,  2.])
    """

    weight = Member("_parameters")

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Device | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to `init`."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
