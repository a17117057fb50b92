"""Pre-activated residual networks (ResNet V2): nothing is computed between a block's sum and the next.

He, Zhang, Ren, Sun 2016, "Identity mappings in deep residual networks". Normalisation and ReLU go before the
convolutions, so the sum of all blocks flows through untouched, and the gradient likewise:

    V1    x -> ReLU(x + BN(conv(ReLU(BN(conv(x))))))
    V2    x -> x + conv(ReLU(BN(conv(ReLU(BN(x))))))
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.resnet import BasicBlock, Bottleneck, ResNet, conv1x1
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "ResNetV2",
    "resnet18_v2",
    "resnet34_v2",
    "resnet50_v2",
    "resnet101_v2",
    "resnet152_v2",
]


class PreActBasicBlock(BasicBlock):
    """x + (BN, ReLU, 3x3, BN, ReLU, 3x3)(x). A shortcut that changes the shape starts after the first ReLU."""

    last = "conv2"  # not a BN: it would starve the ReLU after it, and the block could not learn

    def __init__(self, inplanes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, *args, **kwargs)
        self.bn1 = self.norm_layer(inplanes)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(activated)
        x = self.conv1(activated)
        x = self.conv2(self.relu(self.bn2(x)))
        return x + shortcut


class PreActBottleneck(Bottleneck):
    """x + (BN, ReLU, 1x1, BN, ReLU, 3x3, BN, ReLU, 1x1)(x). For the shortcut see `PreActBasicBlock`."""

    last = "conv3"

    def __init__(self, inplanes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, *args, **kwargs)
        self.bn1 = self.norm_layer(inplanes)
        self.bn2 = self.norm_layer(self.conv2.in_channels)
        self.bn3 = self.norm_layer(self.conv3.in_channels)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        shortcut = x if self.downsample is None else self.downsample(activated)
        x = self.conv1(activated)
        x = self.conv2(self.relu(self.bn2(x)))
        x = self.conv3(self.relu(self.bn3(x)))
        return x + shortcut


class ResNetV2(ResNet):
    """A pre-activated residual network; arguments and shapes are ResNet's, `block` one of this file.

    The first block's normalisation and ReLU belong to the stem, before the branches; a last normalisation and ReLU
    follow the last sum.

    Raises:
        ValueError: as for ResNet.

    Source: He, Zhang, Ren and Sun, "Identity mappings in deep residual networks" (ECCV 2016).

    Examples:
        >>> from minigrad.vision.models.resnet_v2 import PreActBasicBlock
        >>> tiny = mg.vision.models.ResNetV2(PreActBasicBlock, [1, 1], num_classes=10, width=8, small_input=True)
        >>> tiny(mg.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.layer1[0].bn1 = nn.Identity()
        self.bn2 = self.norm_layer(self.inplanes)

    def _make_projection(self, out_channels: int, stride: int) -> nn.Module:
        return conv1x1(self.inplanes, out_channels, stride)  # its input is normalised already

    def features(self, x: Tensor) -> Tensor:
        return self.relu(self.bn2(super().features(x)))


@register_model(PHOTOGRAPH, 11_687_720, "He et al. 2016")
def resnet18_v2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNetV2:
    """Build ResNet-18 V2, pre-activated: 11,687,720 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.resnet18_v2(num_classes=10, width=8).fc
        Linear(in_features=64, out_features=10, bias=True)
    """
    return load_weights(ResNetV2(PreActBasicBlock, [2, 2, 2, 2], **kwargs), weights)


@register_model(PHOTOGRAPH, 21_795_880, "He et al. 2016")
def resnet34_v2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNetV2:
    """Build ResNet-34 V2, pre-activated: 21,795,880 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.resnet34_v2(num_classes=10, width=8).fc
        Linear(in_features=64, out_features=10, bias=True)
    """
    return load_weights(ResNetV2(PreActBasicBlock, [3, 4, 6, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 25_549_352, "He et al. 2016")
def resnet50_v2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNetV2:
    """Build ResNet-50 V2, pre-activated: 25,549,352 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.resnet50_v2(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNetV2(PreActBottleneck, [3, 4, 6, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 44_541_480, "He et al. 2016")
def resnet101_v2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNetV2:
    """Build ResNet-101 V2, pre-activated: 44,541,480 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.resnet101_v2(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNetV2(PreActBottleneck, [3, 4, 23, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 60_185_128, "He et al. 2016")
def resnet152_v2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNetV2:
    """Build ResNet-152 V2, pre-activated: 60,185,128 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.resnet152_v2(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNetV2(PreActBottleneck, [3, 8, 36, 3], **kwargs), weights)
