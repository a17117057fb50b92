"""DenseNet: every layer sees the outputs of all before it.

Huang et al. 2016, "Densely connected convolutional networks". A layer (norm, ReLU, 1x1, norm, ReLU, 3x3) adds
`growth_rate` channels to those that its block has; between blocks a transition halves channels and sides.

    features       side at 224   densenet121   channels after it
    conv0          112           7x7, /2         64
    pool0           56           3x3, /2         64
    denseblock1     56            6 layers      256    transition1 128
    denseblock2     28           12 layers      512    transition2 256
    denseblock3     14           24 layers     1024    transition3 512
    denseblock4      7           16 layers     1024
    classifier                                 1000
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from minigrad import nn
from minigrad.autograd.checkpoint import checkpoint
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.ops.joining import cat
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]


class DenseLayer(nn.Module):
    """`growth_rate` more channels, from the list of what came before; the 1x1 convolution keeps the 3x3 one cheap."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool
    ):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(num_input_features, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = drop_rate
        self.memory_efficient = memory_efficient

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        if self.memory_efficient and any(part.requires_grad for part in features):
            narrow = checkpoint(self._narrowed, *features)
        else:
            narrow = self._narrowed(*features)
        new = self.conv2(self.relu2(self.norm2(narrow)))
        return F.dropout(new, self.drop_rate, self.training) if self.drop_rate > 0 else new

    def _narrowed(self, *features: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(cat(features, 1))))


class DenseBlock(nn.ModuleDict):
    """Layers that each see the block's input and all outputs so far."""

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class Transition(nn.Sequential):
    """norm, ReLU, 1x1 convolution, 2x2 average pooling."""

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """A DenseNet with bottlenecks and compression ("DenseNet-BC"): (N, in_channels, H, W) to (N, num_classes).

    Args:
        growth_rate: the channels that a layer adds.
        block_config: the number of layers in each block.
        num_init_features: the channels of the first convolution.
        bn_size: the channels between a layer's two convolutions, in `growth_rate`s.
        drop_rate: the probability of a 0 after each layer.
        num_classes: the number of classes.
        memory_efficient: compute what a layer concatenates anew in the backward pass instead of keeping it.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: there is no block.

    Source: Huang et al., "Densely connected convolutional networks" (CVPR 2017).

    Examples:
        >>> tiny = mg.vision.models.DenseNet(4, (2, 2), 8, num_classes=10).eval()
        >>> tiny(mg.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
        *,
        in_channels: int = 3,
    ):
        super().__init__()
        if not block_config:
            raise ValueError("DenseNet: block_config must hold at least one block")
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(in_channels, num_init_features, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        width = num_init_features
        for number, depth in enumerate(block_config, 1):
            block = DenseBlock()
            for place in range(depth):
                block[f"denselayer{place + 1}"] = DenseLayer(width, growth_rate, bn_size, drop_rate, memory_efficient)
                width += growth_rate
            self.features.add_module(f"denseblock{number}", block)
            if number < len(block_config):
                self.features.add_module(f"transition{number}", Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)

        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.Linear):
                init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(F.relu(self.features(x)), 1).flatten(1))


def _modern(name: str) -> str:
    """A key of the published files, of 2017, as it is called now: denselayer1.norm.1.weight had a dot more."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)


@register_model(PHOTOGRAPH, 7_978_856, "Huang et al. 2016")
def densenet121(*, weights: WeightsFile = None, **kwargs: Any) -> DenseNet:
    """Build DenseNet-121: 7,978,856 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: DenseNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.densenet121(num_classes=10).classifier
        Linear(in_features=1024, out_features=10, bias=True)
    """
    return load_weights(DenseNet(32, (6, 12, 24, 16), 64, **kwargs), weights, rename=_modern)


@register_model(PHOTOGRAPH, 28_681_000, "Huang et al. 2016")
def densenet161(*, weights: WeightsFile = None, **kwargs: Any) -> DenseNet:
    """Build DenseNet-161: 28,681,000 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: DenseNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.densenet161(num_classes=10).classifier
        Linear(in_features=2208, out_features=10, bias=True)
    """
    return load_weights(DenseNet(48, (6, 12, 36, 24), 96, **kwargs), weights, rename=_modern)


@register_model(PHOTOGRAPH, 14_149_480, "Huang et al. 2016")
def densenet169(*, weights: WeightsFile = None, **kwargs: Any) -> DenseNet:
    """Build DenseNet-169: 14,149,480 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: DenseNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.densenet169(num_classes=10).classifier
        Linear(in_features=1664, out_features=10, bias=True)
    """
    return load_weights(DenseNet(32, (6, 12, 32, 32), 64, **kwargs), weights, rename=_modern)


@register_model(PHOTOGRAPH, 20_013_928, "Huang et al. 2016")
def densenet201(*, weights: WeightsFile = None, **kwargs: Any) -> DenseNet:
    """Build DenseNet-201: 20,013,928 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: DenseNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.densenet201(num_classes=10).classifier
        Linear(in_features=1920, out_features=10, bias=True)
    """
    return load_weights(DenseNet(32, (6, 12, 48, 32), 64, **kwargs), weights, rename=_modern)
