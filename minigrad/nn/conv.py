"""Convolutional layers over images, and the unfolding that turns convolution into matrix multiplication.

Inputs are (N, C, H, W), or (C, H, W) without a batch. A size is an int, or a pair (height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.arguments import check_positive
from minigrad.nn.linear import reset_weight_and_bias
from minigrad.nn.member import Member
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.arguments import IntOrPair, pair
from minigrad.ops.creation import empty
from minigrad.tensor import Tensor

__all__ = ["Conv2d", "ConvTranspose2d", "Unfold", "Fold"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What a convolution and a transposed one share: sizes, weight and bias."""

    weight, bias = Member("_parameters"), Member("_parameters")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair,
        padding: str | IntOrPair,
        dilation: IntOrPair,
        output_padding: IntOrPair,
        groups: int,
        bias: bool,
        padding_mode: str,
        transposed: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        if groups <= 0:
            raise ValueError(f"{layer}: groups must be a positive integer, got {groups}")
        check_positive(layer, in_channels=in_channels, out_channels=out_channels)
        if in_channels % groups != 0:
            raise ValueError(f"{layer}: in_channels must be divisible by groups, got {in_channels} and {groups}")
        if out_channels % groups != 0:
            raise ValueError(f"{layer}: out_channels must be divisible by groups, got {out_channels} and {groups}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(layer, "kernel_size", kernel_size, minimum=1)
        self.stride = pair(layer, "stride", stride, minimum=1)
        self.padding: Any = padding if isinstance(padding, str) else pair(layer, "padding", padding, minimum=0)
        self.dilation = pair(layer, "dilation", dilation, minimum=1)
        self.transposed = transposed
        self.output_padding = pair(layer, "output_padding", output_padding, minimum=0)
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{layer}: Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f"{layer}: padding='same' is not supported for strided convolutions")
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"{layer}: padding_mode must be one of {PADDING_MODES}, but got padding_mode={padding_mode!r}"
            )
        channels = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((*channels, *self.kernel_size), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        reset_weight_and_bias(self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0, 0):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv2d(_Conv):
    """Cross-correlate images with learned kernels: a weighted sum of each window, for each output channel.

    Input (N, in_channels, H, W) or without N; output (N, out_channels, OH, OW), where
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW alike. The `weight` has the shape
    (out_channels, in_channels / groups, KH, KW), the `bias` (out_channels,); both are drawn from U(-k, k),
    k = 1 / sqrt(in_channels / groups * KH * KW).

    Args:
        in_channels, out_channels: the channels of input and output.
        kernel_size: the window's height and width, an int or a pair (KH, KW).
        stride: the step from window to window, an int or a pair.
        padding: pixels on each side, an int or a pair; "valid" for none, "same" for an output of the input's size.
        dilation: the distance between the elements of a window, an int or a pair.
        groups: split the channels into independent convolutions; in_channels groups make it depthwise.
        bias: add a learned number to each output channel.
        padding_mode: what padding consists of, "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters; None means the CPU and the default dtype.

    Raises:
        ValueError: a number of channels or `groups` does not fit, or `padding` or `padding_mode` is unknown.
        RuntimeError: a size or a stride is too small.

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).

    Examples:
        >>> conv = nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1)
        >>> conv(mg.zeros(8, 3, 32, 32)).shape
        (8, 16, 16, 16)
        >>> conv.weight.shape, conv.bias.shape
        ((16, 3, 3, 3), (16,))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: str | IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            False,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._border(), mode=self.padding_mode), 0
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _border(self) -> tuple[int, int, int, int]:
        """The padding as `F.pad` takes it: left, right, top, bottom."""
        if self.padding == "valid":
            return 0, 0, 0, 0
        if self.padding == "same":
            height, width = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return width // 2, width - width // 2, height // 2, height - height // 2
        height, width = self.padding
        return width, width, height, height


class ConvTranspose2d(_Conv):
    """Enlarge images with learned kernels: the gradient of Conv2d with respect to its input.

    Input (N, in_channels, H, W) or without N; output (N, out_channels, OH, OW), where
    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and OW alike. The `weight` has the
    shape (in_channels, out_channels / groups, KH, KW).

    Args:
        in_channels, out_channels: the channels of input and output.
        kernel_size: the window's height and width, an int or a pair (KH, KW).
        stride, padding, dilation: those of the Conv2d whose input size is wanted back.
        output_padding: rows and columns added at the end only, which choose among the sizes that a strided Conv2d maps
            to one; the call's `output_size` does it too.
        groups: split the channels into independent convolutions.
        bias: add a learned number to each output channel.
        padding_mode: "zeros", the only one.
        device, dtype: of the parameters; None means the CPU and the default dtype.

    Raises:
        ValueError: a number of channels, `groups` or `padding_mode` does not fit.
        TypeError: `padding` is a string.
        RuntimeError: a size or a stride is too small.

    Source: Zeiler et al., "Deconvolutional networks" (CVPR 2010).

    Examples:
        >>> up = nn.ConvTranspose2d(16, 3, kernel_size=2, stride=2)
        >>> up(mg.zeros(8, 16, 14, 14)).shape
        (8, 3, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        output_padding: IntOrPair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrPair = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError('Only "zeros" padding mode is supported for ConvTranspose2d')
        if isinstance(padding, str):
            raise TypeError(f"ConvTranspose2d: padding must be an int or a pair of ints, got {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            True,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        output_padding = self.output_padding if output_size is None else self._output_padding_for(input, output_size)
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )

    def _output_padding_for(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives `output_size`: (height, width), or a whole output shape."""
        wanted = tuple(output_size)
        if len(wanted) == input.ndim:
            wanted = wanted[-2:]
        if len(wanted) != 2:
            raise ValueError(
                f"ConvTranspose2d: for {input.ndim}D input, output_size must have 2 or {input.ndim} elements "
                f"(got {len(wanted)})"
            )
        smallest = [
            (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
            for size, stride, padding, dilation, kernel in zip(
                input.shape[-2:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        largest = [size + stride - 1 for size, stride in zip(smallest, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"ConvTranspose2d: requested an output size of {list(wanted)}, but valid sizes range "
                f"from {smallest} to {largest} (for an input of {list(input.shape[-2:])})"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))


class Unfold(Module):
    """Copy the windows of images into columns (im2col).

    Input (N, C, H, W); output (N, C KH KW, L), L being the number of windows.

    Args:
        kernel_size: the window's height and width, an int or a pair (KH, KW).
        dilation: the distance between the elements of a window.
        padding: zeros on each side.
        stride: the step from window to window.

    Examples:
        >>> nn.Unfold(kernel_size=3)(mg.zeros(1, 2, 5, 5)).shape
        (1, 18, 9)
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Add columns up to images (col2im), the transpose of Unfold: overlapping windows are summed.

    Input (N, C KH KW, L), L being the number of windows; output (N, C, H, W).

    Args:
        output_size: the height and width (H, W) of the images, an int or a pair.
        kernel_size, dilation, padding, stride: as for Unfold.

    Examples:
        >>> nn.Fold(output_size=5, kernel_size=3)(mg.zeros(1, 18, 9)).shape
        (1, 2, 5, 5)
    """

    def __init__(
        self,
        output_size: IntOrPair,
        kernel_size: IntOrPair,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
