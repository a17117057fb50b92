"""What several of the small networks are made of."""

from __future__ import annotations

from collections.abc import Callable

from minigrad import nn
from minigrad.tensor import Tensor

Norm = Callable[[int], nn.Module]
Activation = Callable[[], nn.Module]


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, or the next one where that is less than 90 % of `channels`."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class ConvNormActivation(nn.Sequential):
    """Convolution that keeps the picture's size but for the stride, normalisation, and `activation` if there is one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        norm_layer: Norm,
        stride: int = 1,
        groups: int = 1,
        activation: Activation | None = nn.SiLU,
    ):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
            norm_layer(out_channels),
            *([] if activation is None else [activation()]),
        )


class SqueezeExcitation(nn.Module):
    """x times a weight between 0 and 1 for each channel, which two small layers take from all channels' means."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Activation = nn.SiLU,
        scale_activation: Activation = nn.Sigmoid,
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
