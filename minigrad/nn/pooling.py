"""Pooling layers: each window of an image becomes its maximum or mean.

Inputs are (N, C, H, W) or (C, H, W). A size is an int, or a pair (height, width); a window's `stride` is its
size unless given. Output height (width alike):
floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, or with `ceil_mode` the ceiling.
"""

from __future__ import annotations

from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.ops.arguments import IntOrPair
from minigrad.tensor import Tensor

__all__ = ["MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d"]


class MaxPool2d(Module):
    """Take the largest element of each window: (N, C, H, W) to (N, C, OH, OW).

    Args:
        kernel_size: the window's height and width, an int or a pair.
        stride: the step from window to window; None means the kernel's size.
        padding: -inf on each side, at most half a window.
        dilation: the distance between the elements of a window.
        return_indices: also return the positions of the maxima in the flattened H * W, int64.
        ceil_mode: let a last window reach beyond the end.

    Examples:
        >>> nn.MaxPool2d(2)(mg.zeros(8, 16, 28, 28)).shape
        (8, 16, 14, 14)
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """Take the mean of each window: (N, C, H, W) to (N, C, OH, OW).

    Args:
        kernel_size: the window's height and width, an int or a pair.
        stride: the step from window to window; None means the kernel's size.
        padding: zeros on each side, at most half a window.
        ceil_mode: let a last window reach beyond the end.
        count_include_pad: whether padding counts as elements in the mean.
        divisor_override: divide the sums by this number instead.

    Examples:
        >>> nn.AvgPool2d(2)(mg.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]))
        tensor([[[[4.]]]])
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Take means over windows that are chosen to give (N, C, *output_size).

    Args:
        output_size: height and width of the result, an int or a pair; None keeps the input's.

    Source: Lin et al., "Network in network" (2013), for the mean of whole maps, `output_size` 1.

    Examples:
        >>> nn.AdaptiveAvgPool2d(1)(mg.zeros(8, 512, 7, 7)).shape
        (8, 512, 1, 1)
    """

    def __init__(self, output_size: int | None | tuple[int | None, int | None]) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(Module):
    """Take maxima over windows that are chosen to give (N, C, *output_size).

    Args:
        output_size: height and width of the result, an int or a pair; None keeps the input's.
        return_indices: also return the positions of the maxima in the flattened H * W, int64.

    Examples:
        >>> nn.AdaptiveMaxPool2d((2, None))(mg.zeros(8, 3, 7, 5)).shape
        (8, 3, 2, 5)
    """

    def __init__(self, output_size: int | None | tuple[int | None, int | None], return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
