"""MobileNet, second and third version: depthwise convolutions between a widening and a narrowing 1x1 convolution.

Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks": no activation follows the narrowing, and
shortcuts join the narrow ends. Howard et al. 2019, "Searching for MobileNetV3": some blocks also weigh the channels by
what the whole picture shows (squeeze-and-excitation), and activations are piecewise linear, which is cheap.

Features of MobileNetV2 are a 3x3 convolution of stride 2 to 32 channels, these blocks, and a 1x1 convolution to 1280:

    widening   channels   blocks   stride of the first
    1           16        1        1
    6           24        2        2
    6           32        3        2
    6           64        4        2
    6           96        3        1
    6          160        3        2
    6          320        1        1
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from minigrad import nn
from minigrad.nn import init
from minigrad.tensor import Tensor
from minigrad.vision.models.blocks import ConvNormActivation, Norm, SqueezeExcitation, make_divisible
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = ["MobileNetV2", "MobileNetV3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]

V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """Widen (unless `expand_ratio` is 1), depthwise, narrow; plus x where the shape is kept."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm = nn.BatchNorm2d):
        super().__init__()
        self.use_res_connect = stride == 1 and inp == oup
        width = inp * expand_ratio
        self.conv = nn.Sequential()
        if expand_ratio != 1:
            self.conv.append(ConvNormActivation(inp, width, 1, norm_layer, activation=nn.ReLU6))
        self.conv.append(ConvNormActivation(width, width, 3, norm_layer, stride, width, nn.ReLU6))
        self.conv.append(nn.Conv2d(width, oup, 1, bias=False))
        self.conv.append(norm_layer(oup))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A MobileNet of the second version: (N, in_channels, H, W) to logits (N, num_classes).

    Args:
        num_classes: the number of classes.
        width_mult: a factor for all channels.
        inverted_residual_setting: (widening, channels, blocks, stride) for each stage; None means the paper's.
        round_nearest: channels are multiples of this.
        norm_layer: makes a normalisation layer; None means BatchNorm2d.
        dropout: the probability of a 0 before the last layer.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: there is no stage, or one has not four numbers.

    Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks" (CVPR 2018).

    Examples:
        >>> tiny = mg.vision.models.MobileNetV2(10, 0.25, [(1, 16, 1, 1), (6, 24, 2, 2)]).eval()
        >>> tiny(mg.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
        *,
        in_channels: int = 3,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        stages = V2 if inverted_residual_setting is None else inverted_residual_setting
        if not stages or any(len(stage) != 4 for stage in stages):
            raise ValueError(
                "MobileNetV2: inverted_residual_setting must hold (widening, channels, blocks, stride) for each stage, "
                f"got {inverted_residual_setting}"
            )
        width = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        self.features = nn.Sequential(
            ConvNormActivation(in_channels, width, 3, norm_layer, stride=2, activation=nn.ReLU6)
        )
        for widening, channels, blocks, first_stride in stages:
            out = make_divisible(channels * width_mult, round_nearest)
            for stride in (first_stride, *[1] * (blocks - 1)):
                self.features.append(InvertedResidual(width, out, stride, widening, norm_layer))
                width = out
        self.features.append(ConvNormActivation(width, self.last_channel, 1, norm_layer, activation=nn.ReLU6))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class BlockConfig(NamedTuple):
    """A block of the third version; the activation is ReLU, or Hardswish if `use_hs`."""

    input_channels: int
    kernel: int
    expanded_channels: int
    out_channels: int
    use_se: bool
    use_hs: bool
    stride: int


SMALL = [
    BlockConfig(16, 3, 16, 16, True, False, 2),
    BlockConfig(16, 3, 72, 24, False, False, 2),
    BlockConfig(24, 3, 88, 24, False, False, 1),
    BlockConfig(24, 5, 96, 40, True, True, 2),
    BlockConfig(40, 5, 240, 40, True, True, 1),
    BlockConfig(40, 5, 240, 40, True, True, 1),
    BlockConfig(40, 5, 120, 48, True, True, 1),
    BlockConfig(48, 5, 144, 48, True, True, 1),
    BlockConfig(48, 5, 288, 96, True, True, 2),
    BlockConfig(96, 5, 576, 96, True, True, 1),
    BlockConfig(96, 5, 576, 96, True, True, 1),
]
LARGE = [
    BlockConfig(16, 3, 16, 16, False, False, 1),
    BlockConfig(16, 3, 64, 24, False, False, 2),
    BlockConfig(24, 3, 72, 24, False, False, 1),
    BlockConfig(24, 5, 72, 40, True, False, 2),
    BlockConfig(40, 5, 120, 40, True, False, 1),
    BlockConfig(40, 5, 120, 40, True, False, 1),
    BlockConfig(40, 3, 240, 80, False, True, 2),
    BlockConfig(80, 3, 200, 80, False, True, 1),
    BlockConfig(80, 3, 184, 80, False, True, 1),
    BlockConfig(80, 3, 184, 80, False, True, 1),
    BlockConfig(80, 3, 480, 112, True, True, 1),
    BlockConfig(112, 3, 672, 112, True, True, 1),
    BlockConfig(112, 5, 672, 160, True, True, 2),
    BlockConfig(160, 5, 960, 160, True, True, 1),
    BlockConfig(160, 5, 960, 160, True, True, 1),
]


class InvertedResidualV3(nn.Module):
    """Widen (unless the width stays), depthwise, squeeze-and-excitation if asked for, narrow; plus x."""

    def __init__(self, cnf: BlockConfig, norm_layer: Norm):
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        width = cnf.expanded_channels
        self.block = nn.Sequential()
        if width != cnf.input_channels:
            self.block.append(ConvNormActivation(cnf.input_channels, width, 1, norm_layer, activation=activation))
        self.block.append(ConvNormActivation(width, width, cnf.kernel, norm_layer, cnf.stride, width, activation))
        if cnf.use_se:
            self.block.append(SqueezeExcitation(width, make_divisible(width // 4), nn.ReLU, nn.Hardsigmoid))
        self.block.append(ConvNormActivation(width, cnf.out_channels, 1, norm_layer, activation=None))

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """A MobileNet of the third version: (N, in_channels, H, W) to logits (N, num_classes).

    Args:
        inverted_residual_setting: a `BlockConfig` for each block.
        last_channel: the width of the hidden linear layer.
        num_classes: the number of classes.
        norm_layer: makes a normalisation layer; None means BatchNorm2d with eps=0.001 and momentum=0.01.
        dropout: the probability of a 0 before the last layer.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: there is no block.

    Source: Howard et al., "Searching for MobileNetV3" (ICCV 2019).

    Examples:
        >>> from minigrad.vision.models.mobilenet import SMALL
        >>> mg.vision.models.MobileNetV3(SMALL[:2], 32, num_classes=10).eval()(mg.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[BlockConfig],
        last_channel: int,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
        *,
        in_channels: int = 3,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("MobileNetV3: inverted_residual_setting must hold at least one block")
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            ConvNormActivation(in_channels, first, 3, norm, stride=2, activation=nn.Hardswish),
            *[InvertedResidualV3(cnf, norm) for cnf in inverted_residual_setting],
            ConvNormActivation(last, 6 * last, 1, norm, activation=nn.Hardswish),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(last_channel, num_classes)
        )
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _initialize(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            init.normal_(layer.weight, 0, 0.01)
            init.zeros_(layer.bias)


@register_model(PHOTOGRAPH, 3_504_872, "Sandler et al. 2018")
def mobilenet_v2(*, weights: WeightsFile = None, **kwargs: Any) -> MobileNetV2:
    """Build MobileNetV2: 3,504,872 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: MobileNetV2's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.mobilenet_v2(num_classes=10).classifier[-1]
        Linear(in_features=1280, out_features=10, bias=True)
    """
    return load_weights(MobileNetV2(**kwargs), weights)


@register_model(PHOTOGRAPH, 5_483_032, "Howard et al. 2019")
def mobilenet_v3_large(*, weights: WeightsFile = None, **kwargs: Any) -> MobileNetV3:
    """Build MobileNetV3, the large one: 5,483,032 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: MobileNetV3's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.mobilenet_v3_large(num_classes=10).classifier[-1]
        Linear(in_features=1280, out_features=10, bias=True)
    """
    return load_weights(MobileNetV3(LARGE, 1280, **kwargs), weights)


@register_model(PHOTOGRAPH, 2_542_856, "Howard et al. 2019")
def mobilenet_v3_small(*, weights: WeightsFile = None, **kwargs: Any) -> MobileNetV3:
    """Build MobileNetV3, the small one: 2,542,856 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: MobileNetV3's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.mobilenet_v3_small(num_classes=10).classifier[-1]
        Linear(in_features=1024, out_features=10, bias=True)
    """
    return load_weights(MobileNetV3(SMALL, 1024, **kwargs), weights)
