"""The residual networks for CIFAR's pictures of 32x32, of 6n + 2 layers.

He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition", section 4.2: a 3x3 convolution, three
stages of n basic blocks, shortcuts of kind A, global average pooling, ten classes.

    stage     side    channels   layers
    conv1     32      16          1
    layer1    32      16         2n
    layer2    16      32         2n
    layer3     8      64         2n
    fc         1      10          1

    layers              20         32         44         56         110
    parameters     269,722    464,154    658,586    853,018   1,727,962
"""

from __future__ import annotations

from typing import Any

from minigrad.vision.models.registry import SMALL_PHOTOGRAPH, register_model
from minigrad.vision.models.resnet import BasicBlock, ResNet
from minigrad.vision.models.resnet_v2 import PreActBasicBlock, ResNetV2
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
]


def _cifar(n: int, weights: WeightsFile, preactivation: bool = False, num_classes: int = 10, **kwargs) -> ResNet:
    network, block = (ResNetV2, PreActBasicBlock) if preactivation else (ResNet, BasicBlock)
    settings: dict[str, Any] = {"width": 16, "shortcut": "A", "small_input": True} | kwargs
    return load_weights(network(block, [n, n, n], num_classes, **settings), weights)


@register_model(SMALL_PHOTOGRAPH, 269_722, "He et al. 2015")
def resnet20(*, weights: WeightsFile = None, **kwargs) -> ResNet:
    """ResNet-20. `kwargs`, here and below: `preactivation=True` for V2, and `ResNet`'s."""
    return _cifar(3, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 464_154, "He et al. 2015")
def resnet32(*, weights: WeightsFile = None, **kwargs) -> ResNet:
    """ResNet-32."""
    return _cifar(5, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 658_586, "He et al. 2015")
def resnet44(*, weights: WeightsFile = None, **kwargs) -> ResNet:
    """ResNet-44."""
    return _cifar(7, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 853_018, "He et al. 2015")
def resnet56(*, weights: WeightsFile = None, **kwargs) -> ResNet:
    """ResNet-56."""
    return _cifar(9, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 1_727_962, "He et al. 2015")
def resnet110(*, weights: WeightsFile = None, **kwargs) -> ResNet:
    """ResNet-110. The paper warms it up: the full learning rate of 0.1 is too large at the start."""
    return _cifar(18, weights, **kwargs)
