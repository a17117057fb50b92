"""Channels into pixels, and back, as layers."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Make each r x r channels into r x r pixels.

    Args:
        upscale_factor: r.

    Shapes:
        input (..., C r r, H, W), output (..., C, H r, W r).

    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network" (2016).

    Examples:
        >>> nn.PixelShuffle(2)(mg.zeros(1, 8, 3, 4)).shape
        (1, 2, 6, 8)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Make each r x r pixels into r x r channels: the inverse of `PixelShuffle`.

    Args:
        downscale_factor: r.

    Shapes:
        input (..., C, H r, W r), output (..., C r r, H, W).

    Examples:
        >>> nn.PixelUnshuffle(2)(mg.zeros(1, 2, 6, 8)).shape
        (1, 8, 3, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Deal the channels of some groups out, one of each in turn.

    Args:
        groups: how many, a divisor of the channels.

    Shapes:
        input and output (N, C, ...).

    Source: Zhang et al., "ShuffleNet" (2017).

    Examples:
        >>> nn.ChannelShuffle(2)(mg.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
