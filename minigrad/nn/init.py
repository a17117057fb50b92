"""Initialisation of weights: every function fills a tensor in place and returns it.

The scaled ones keep the variance the same from layer to layer: of activations with `fan_in` (inputs per output value),
of gradients with `fan_out`.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from minigrad.autograd import no_grad
from minigrad.tensor import Tensor, from_array

if TYPE_CHECKING:
    from minigrad.generator import Generator


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor for weights that makes up for the variance that an activation removes.

    Args:
        nonlinearity: "linear", "conv2d", "sigmoid" and the like: 1; "tanh": 5/3; "relu": sqrt(2); "leaky_relu":
            sqrt(2 / (1 + param^2)); "selu": 3/4.
        param: the slope of leaky_relu; None means 0.01.

    Raises:
        ValueError: the activation is unknown, or the slope is not a number.

    Source: He et al., "Delving deep into rectifiers" (ICCV 2015).

    Examples:
        >>> round(nn.init.calculate_gain("relu"), 3)
        1.414
    """
    convolutions = [f"conv{transpose}{n}d" for transpose in ("", "_transpose") for n in (1, 2, 3)]
    if nonlinearity in ("linear", "sigmoid", *convolutions):
        return 1
    if nonlinearity == "tanh":
        return 5 / 3
    if nonlinearity == "relu":
        return math.sqrt(2)
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, (int, float, type(None))):
            raise ValueError(f"calculate_gain: negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3 / 4
    raise ValueError(f"calculate_gain: Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs make one output value, and how many outputs one input value goes to.

    For a weight (out, in, *kernel): in * prod(kernel) and out * prod(kernel).
    """
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"got shape {list(tensor.shape)}"
        )
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values drawn from U(a, b), in place.

    Args:
        tensor: the tensor.
        a, b: the interval's ends.
        generator: where the random numbers come from; None means the default generator.

    Examples:
        >>> w = nn.init.uniform_(mg.empty(1000), -1, 1)
        >>> w.min().round(), w.max().round()
        (tensor(-1.), tensor(1.))
    """
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values drawn from N(mean, std^2), in place.

    Args:
        tensor: the tensor.
        mean, std: mean and standard deviation.
        generator: where the random numbers come from; None means the default generator.

    Examples:
        >>> nn.init.normal_(mg.empty(10000), std=3).std().round()
        tensor(3.)
    """
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values drawn from N(mean, std^2) under the condition that they are in [a, b], in place.

    The values are found by inversion of the distribution function.

    Args:
        tensor: the tensor.
        mean, std: mean and standard deviation.
        a, b: the interval's ends.
        generator: where the random numbers come from; None means the default generator.

    Examples:
        >>> w = nn.init.trunc_normal_(mg.empty(1000))
        >>> bool((w.abs() <= 2).all())
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    from scipy.special import ndtr, ndtri

    tensor.uniform_(ndtr((a - mean) / std), ndtr((b - mean) / std), generator=generator)
    values = mean + std * ndtri(tensor.detach().numpy(force=True).astype(np.float64))
    return _assign(tensor, np.clip(values, a, b))


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill `tensor` with the number `val`, in place.

    Examples:
        >>> nn.init.constant_(mg.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with ones, in place.

    Examples:
        >>> nn.init.ones_(mg.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with zeros, in place.

    Examples:
        >>> nn.init.zeros_(mg.empty(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Fill the matrix `tensor` with the identity, in place: a Linear layer then returns its input.

    Raises:
        ValueError: the tensor is not a matrix.

    Examples:
        >>> nn.init.eye_(mg.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: Only tensors with 2 dimensions are supported, got shape {list(tensor.shape)}")
    rows, columns = tensor.shape
    return _assign(tensor, np.eye(rows, columns))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it returns its input, in place.

    Args:
        tensor: a weight (out, in, *kernel); the centre of the kernel from a channel to itself becomes 1.
        groups: do so for each group of channels.

    Raises:
        ValueError: the tensor has not 3 to 5 dimensions, or `out` is not divisible by `groups`.

    Examples:
        >>> image = mg.randn(1, 2, 5, 5)
        >>> mg.equal(F.conv2d(image, nn.init.dirac_(mg.empty(2, 2, 3, 3)), padding=1), image)
        True
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got shape {list(tensor.shape)}"
        )
    if tensor.shape[0] % groups != 0:
        raise ValueError(
            f"dirac_: dim 0 must be divisible by groups, got shape {list(tensor.shape)} and groups={groups}"
        )
    values = np.zeros(tensor.shape)
    centre = tuple(size // 2 for size in tensor.shape[2:])
    outputs = tensor.shape[0] // groups
    for group in range(groups):
        for channel in range(min(outputs, tensor.shape[1])):
            values[(group * outputs + channel, channel, *centre)] = 1
    return _assign(tensor, values)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values drawn from U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)), in place.

    Args:
        tensor: a weight of at least 2 dimensions.
        gain: a factor; see `calculate_gain`.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).

    Examples:
        >>> w = nn.init.xavier_uniform_(mg.empty(100, 200))
        >>> bool(w.abs().max() <= (6 / 300) ** 0.5)
        True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values drawn from N(0, std^2), std = gain sqrt(2 / (fan_in + fan_out)), in place.

    Args:
        tensor, gain, generator: as for `xavier_uniform_`.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Examples:
        >>> w = nn.init.xavier_normal_(mg.empty(100, 100))
        >>> round(w.std().item(), 1)
        0.1
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values drawn from U(-b, b), b = gain sqrt(3 / fan), in place.

    Args:
        tensor: a weight of at least 2 dimensions.
        a: leaky_relu's slope.
        mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.
        nonlinearity: the activation that follows; see `calculate_gain`.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions, or a name is unknown.

    Source: He et al., "Delving deep into rectifiers" (ICCV 2015).

    Examples:
        >>> w = nn.init.kaiming_uniform_(mg.empty(10, 150), nonlinearity="relu")
        >>> bool(w.abs().max() <= (6 / 150) ** 0.5)
        True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    bound = math.sqrt(3) * std  # a uniform distribution on (-bound, bound) has the variance bound^2 / 3
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values drawn from N(0, std^2), std = gain / sqrt(fan), in place.

    Args:
        tensor, a, mode, nonlinearity, generator: as for `kaiming_uniform_`.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions, or a name is unknown.

    Examples:
        >>> w = nn.init.kaiming_normal_(mg.empty(100, 200), nonlinearity="relu")
        >>> round(w.std().item(), 2)
        0.1
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _calculate_fan_in_and_fan_out(tensor), strict=True))
    if mode.lower() not in fans:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(fans)}")
    fan = fans[mode.lower()]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with `gain` times a matrix of orthonormal rows (or columns, if they are fewer), in place.

    Args:
        tensor: a weight; its dimensions after the first count as one.
        gain: a factor; see `calculate_gain`.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear networks" (2013).

    Examples:
        >>> w = nn.init.orthogonal_(mg.empty(2, 5))
        >>> mg.allclose(w @ w.T, mg.eye(2), atol=1e-6)
        True
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: Only tensors with 2 or more dimensions are supported, got shape {list(tensor.shape)}"
        )
    if tensor.numel() == 0:
        return tensor
    normal = normal_(tensor, generator=generator).detach().numpy(force=True).reshape(tensor.shape[0], -1)
    rows, columns = normal.shape
    q, r = np.linalg.qr(normal.T if rows < columns else normal)
    q = q * np.sign(np.diag(r))  # QR's own choice of signs is not uniform over orthogonal matrices
    return _assign(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from N(0, std^2), then set a fraction of each column to 0, in place.

    Args:
        tensor: the matrix.
        sparsity: the fraction.
        std: the standard deviation.
        generator: where the random numbers come from; None means the default generator.

    Raises:
        ValueError: the tensor is not a matrix.

    Source: Martens, "Deep learning via Hessian-free optimization" (2010).

    Examples:
        >>> (nn.init.sparse_(mg.empty(10, 3), sparsity=0.3) == 0).sum(0)
        tensor([3, 3, 3])
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: Only tensors with 2 dimensions are supported, got shape {list(tensor.shape)}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    # Sorting uniform numbers gives each column its own random order of rows.
    order = tensor.uniform_(generator=generator).detach().numpy(force=True).argsort(axis=0)
    values = np.array(tensor.normal_(0, std, generator=generator).detach().numpy(force=True))
    values[order[:zeros], np.arange(columns)] = 0
    return _assign(tensor, values)


def _assign(tensor: Tensor, values: np.ndarray) -> Tensor:
    return tensor.copy_(from_array(values.astype(tensor.dtype)))
