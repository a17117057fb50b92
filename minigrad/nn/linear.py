"""Linear layers, and the ones that only change shapes."""

from __future__ import annotations

import math
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.arguments import check_positive
from minigrad.nn.member import Member
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.creation import empty
from minigrad.tensor import Tensor

__all__ = ["Identity", "Linear", "Flatten", "Unflatten"]


def reset_weight_and_bias(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's default initialisation of linear and convolutional layers.

    Both are drawn from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)): for the weight that is Kaiming's with the
    slope sqrt(5), whose gain is sqrt(1 / 3).
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in)
        init.uniform_(bias, -bound, bound)


class Identity(Module):
    """Return the input, of any shape.

    Args:
        args, kwargs: ignored, so that Identity can replace any layer.

    Examples:
        >>> nn.Identity(64, eps=1.0)(mg.tensor([1.0]))
        tensor([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """Apply an affine map to the last dimension: ``y = x W^T + b``.

    Input (..., in_features), output (..., out_features). The `weight` has the shape (out_features, in_features),
    the `bias` (out_features,); both are drawn from U(-k, k), k = 1 / sqrt(in_features).

    Args:
        in_features, out_features: the sizes of the last dimension of input and output.
        bias: add a learned vector.
        device, dtype: of the parameters; None means the CPU and the default dtype.

    Raises:
        ValueError: a size is less than 1.

    Examples:
        >>> nn.Linear(784, 10)(mg.zeros(32, 784)).shape
        (32, 10)
    """

    weight, bias = Member("_parameters"), Member("_parameters")

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_positive("Linear", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Merge a range of dimensions into one; by default all but the first, (N, A, B, ...) to (N, A * B * ...).

    Args:
        start_dim, end_dim: the first and the last dimension of the range.

    Examples:
        >>> nn.Flatten()(mg.zeros(8, 16, 4, 4)).shape
        (8, 256)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split a dimension into several: (N, A * B) to (N, A, B).

    Args:
        dim: the dimension.
        unflattened_size: the new sizes; one may be -1 and is inferred.

    Raises:
        TypeError: `unflattened_size` is not a sequence of ints.

    Examples:
        >>> nn.Unflatten(1, (16, 4, 4))(mg.zeros(8, 256)).shape
        (8, 16, 4, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for place, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {place}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
