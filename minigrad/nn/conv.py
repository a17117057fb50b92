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
    """Slides a window over the image; an output channel is a weighted sum of what it covers, plus a bias.

    (N, in_channels, H, W) to (N, out_channels, OH, OW), OW as
    OH = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
    `padding` is "valid" (none), "same" (output as large as the input; stride 1), an int or a pair;
    `padding_mode` says what stands there: "zeros", "reflect", "replicate" or "circular". `groups` splits the
    channels into groups that do not see each other; groups = in_channels is a depthwise convolution.

    `weight` (out_channels, in_channels / groups, kernel height, kernel width), `bias` (out_channels,) or
    None.
    Initialised from U(-k, k), k = 1 / sqrt(in_channels / groups * kernel height * kernel width).
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
    """The gradient of Conv2d with respect to its input, as a layer: it enlarges images by learned windows.

    (N, in_channels, H, W) to (N, out_channels, OH, OW), OW as
    OH = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    Several input sizes of a strided Conv2d give one output size; `output_padding`, or `output_size` in the
    call, says which to return to. `weight` (in_channels, out_channels / groups, kernel height, kernel width).
    Zeiler et al., "Deconvolutional networks", 2010.
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
    """The windows of an image as columns (im2col): (N, C, H, W) to (N, C * window size, windows)."""

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
    """Adds columns of windows up to an image (col2im), the transpose of Unfold: what overlaps is summed.

    (N, C * window size, windows) to (N, C, *output_size).
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
