"""EfficientNet: cheap convolutions, found by search (B0), and the same network wider and deeper (B1 to B7).

Tan and Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks". A block (MBConv,
Sandler et al. 2018, "MobileNetV2") widens its input by 1x1, convolves each channel by itself (depthwise), weighs the
channels by what the whole picture shows (squeeze-and-excitation, Hu et al. 2018), and narrows it by 1x1.

    features     side at 224   block                channels   blocks
    0            112           3x3, /2               32
    1            112           MBConv1 3x3           16         1
    2             56           MBConv6 3x3, /2       24         2
    3             28           MBConv6 5x5, /2       40         2
    4             14           MBConv6 3x3, /2       80         3
    5             14           MBConv6 5x5          112         3
    6              7           MBConv6 5x5, /2      192         4
    7              7           MBConv6 3x3          320         1
    8              7           1x1                 1280
    avgpool, classifier        1000
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from minigrad import nn
from minigrad.nn import init
from minigrad.tensor import Tensor
from minigrad.vision.models.blocks import ConvNormActivation, Norm, SqueezeExcitation, make_divisible
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "EfficientNet",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
]


class MBConvConfig(NamedTuple):
    """A stage: `num_layers` blocks, of which the first has the stride and changes the channels."""

    expand_ratio: int
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int


B0 = (
    MBConvConfig(1, 3, 1, 32, 16, 1),
    MBConvConfig(6, 3, 2, 16, 24, 2),
    MBConvConfig(6, 5, 2, 24, 40, 2),
    MBConvConfig(6, 3, 2, 40, 80, 3),
    MBConvConfig(6, 5, 1, 80, 112, 3),
    MBConvConfig(6, 5, 2, 112, 192, 4),
    MBConvConfig(6, 3, 1, 192, 320, 1),
)


class StochasticDepth(nn.Module):
    """In training sets each sample to 0 with probability `p` and scales the others by 1 / (1 - p).

    Before a sum with a shortcut it so leaves out the block, for each sample by itself. In evaluation it returns its
    input. Huang et al. 2016, "Deep networks with stochastic depth".
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"StochasticDepth: p must be between 0 and 1, but got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        kept = input.new_empty((len(input), *[1] * (input.ndim - 1))).bernoulli_(1 - self.p)
        return input * (kept / (1 - self.p) if self.p < 1 else kept)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class MBConv(nn.Module):
    """Widen (unless `expand_ratio` is 1), depthwise, squeeze-and-excitation, narrow; plus x where the shape is kept."""

    def __init__(self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Norm):
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        width = cnf.input_channels * cnf.expand_ratio
        self.block = nn.Sequential()
        if cnf.expand_ratio != 1:
            self.block.append(ConvNormActivation(cnf.input_channels, width, 1, norm_layer))
        self.block.append(ConvNormActivation(width, width, cnf.kernel, norm_layer, cnf.stride, groups=width))
        self.block.append(SqueezeExcitation(width, max(1, cnf.input_channels // 4)))
        self.block.append(ConvNormActivation(width, cnf.out_channels, 1, norm_layer, activation=None))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob)

    def forward(self, input: Tensor) -> Tensor:
        x = self.block(input)
        return self.stochastic_depth(x) + input if self.use_res_connect else x


class EfficientNet(nn.Module):
    """An EfficientNet: (N, in_channels, H, W) to logits (N, num_classes).

    Args:
        inverted_residual_setting: a `MBConvConfig` for each stage.
        dropout: the probability of a 0 before the last layer.
        stochastic_depth_prob: the probability of skipping a block, which grows to this in proportion to depth.
        num_classes: the number of classes.
        norm_layer: makes a normalisation layer; None means BatchNorm2d.
        last_channel: the width of the last 1x1 convolution; None means four times the last stage's.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: there is no stage, or a probability is outside [0, 1].

    Source: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks" (ICML 2019).

    Examples:
        >>> from minigrad.vision.models.efficientnet import MBConvConfig
        >>> stages = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(6, 3, 2, 8, 16, 2)]
        >>> tiny = mg.vision.models.EfficientNet(stages, dropout=0.2, num_classes=10)
        >>> tiny.eval()(mg.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
        *,
        in_channels: int = 3,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("EfficientNet: inverted_residual_setting must hold at least one stage")
        norm_layer = norm_layer or nn.BatchNorm2d
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(ConvNormActivation(in_channels, first, 3, norm_layer, stride=2))
        total = sum(cnf.num_layers for cnf in inverted_residual_setting)
        depth = 0
        for cnf in inverted_residual_setting:
            stage = nn.Sequential()
            for _ in range(cnf.num_layers):
                stage.append(MBConv(cnf, stochastic_depth_prob * depth / total, norm_layer))
                cnf = cnf._replace(input_channels=cnf.out_channels, stride=1)
                depth += 1
            self.features.append(stage)
        width = last_channel or 4 * last
        self.features.append(ConvNormActivation(last, width, 1, norm_layer))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))

        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.out_features)
                init.uniform_(layer.weight, -bound, bound)
                init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class Size(NamedTuple):
    """How B0's channels and depths are multiplied, the dropout, and how fast batch statistics are averaged."""

    width: float
    depth: float
    dropout: float
    norm_layer: Norm | None = None


_SLOW = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
SIZES = {
    "b0": Size(1.0, 1.0, 0.2),
    "b1": Size(1.0, 1.1, 0.2),
    "b2": Size(1.1, 1.2, 0.3),
    "b3": Size(1.2, 1.4, 0.3),
    "b4": Size(1.4, 1.8, 0.4),
    "b5": Size(1.6, 2.2, 0.4, _SLOW),
    "b6": Size(1.8, 2.6, 0.5, _SLOW),
    "b7": Size(2.0, 3.1, 0.5, _SLOW),
}


def _efficientnet(name: str, weights: WeightsFile, **kwargs: Any) -> EfficientNet:
    width, depth, dropout, norm_layer = SIZES[name]
    stages = [
        stage._replace(
            input_channels=make_divisible(stage.input_channels * width),
            out_channels=make_divisible(stage.out_channels * width),
            num_layers=math.ceil(stage.num_layers * depth),
        )
        for stage in B0
    ]
    return load_weights(EfficientNet(stages, **{"dropout": dropout, "norm_layer": norm_layer} | kwargs), weights)


@register_model(PHOTOGRAPH, 5_288_548, "Tan, Le 2019")
def efficientnet_b0(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B0: 5,288,548 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b0(num_classes=10).classifier[1]
        Linear(in_features=1280, out_features=10, bias=True)
    """
    return _efficientnet("b0", weights, **kwargs)


@register_model((3, 240, 240), 7_794_184, "Tan, Le 2019")
def efficientnet_b1(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B1: 7,794,184 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b1(num_classes=10).classifier[1]
        Linear(in_features=1280, out_features=10, bias=True)
    """
    return _efficientnet("b1", weights, **kwargs)


@register_model((3, 288, 288), 9_109_994, "Tan, Le 2019")
def efficientnet_b2(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B2: 9,109,994 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b2(num_classes=10).classifier[1]
        Linear(in_features=1408, out_features=10, bias=True)
    """
    return _efficientnet("b2", weights, **kwargs)


@register_model((3, 300, 300), 12_233_232, "Tan, Le 2019")
def efficientnet_b3(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B3: 12,233,232 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b3(num_classes=10).classifier[1]
        Linear(in_features=1536, out_features=10, bias=True)
    """
    return _efficientnet("b3", weights, **kwargs)


@register_model((3, 380, 380), 19_341_616, "Tan, Le 2019")
def efficientnet_b4(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B4: 19,341,616 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b4(num_classes=10).classifier[1]
        Linear(in_features=1792, out_features=10, bias=True)
    """
    return _efficientnet("b4", weights, **kwargs)


@register_model((3, 456, 456), 30_389_784, "Tan, Le 2019")
def efficientnet_b5(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B5: 30,389,784 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b5(num_classes=10).classifier[1]
        Linear(in_features=2048, out_features=10, bias=True)
    """
    return _efficientnet("b5", weights, **kwargs)


@register_model((3, 528, 528), 43_040_704, "Tan, Le 2019")
def efficientnet_b6(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B6: 43,040,704 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b6(num_classes=10).classifier[1]
        Linear(in_features=2304, out_features=10, bias=True)
    """
    return _efficientnet("b6", weights, **kwargs)


@register_model((3, 600, 600), 66_347_960, "Tan, Le 2019")
def efficientnet_b7(*, weights: WeightsFile = None, **kwargs: Any) -> EfficientNet:
    """Build EfficientNet-B7: 66,347,960 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: EfficientNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.efficientnet_b7(num_classes=10).classifier[1]
        Linear(in_features=2560, out_features=10, bias=True)
    """
    return _efficientnet("b7", weights, **kwargs)
