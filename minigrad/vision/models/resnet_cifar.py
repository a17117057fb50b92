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


def _cifar(n: int, weights: WeightsFile, preactivation: bool = False, num_classes: int = 10, **kwargs: Any) -> ResNet:
    network, block = (ResNetV2, PreActBasicBlock) if preactivation else (ResNet, BasicBlock)
    settings: dict[str, Any] = {"width": 16, "shortcut": "A", "small_input": True} | kwargs
    return load_weights(network(block, [n, n, n], num_classes, **settings), weights)


@register_model(SMALL_PHOTOGRAPH, 269_722, "He et al. 2015")
def resnet20(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-20 for images of 32x32: 269,722 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: `preactivation` for V2, and ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.resnet20().parameters())
        269722
    """
    return _cifar(3, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 464_154, "He et al. 2015")
def resnet32(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-32 for images of 32x32: 464,154 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: `preactivation` for V2, and ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.resnet32().parameters())
        464154
    """
    return _cifar(5, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 658_586, "He et al. 2015")
def resnet44(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-44 for images of 32x32: 658,586 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: `preactivation` for V2, and ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.resnet44().parameters())
        658586
    """
    return _cifar(7, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 853_018, "He et al. 2015")
def resnet56(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-56 for images of 32x32: 853,018 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: `preactivation` for V2, and ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.resnet56().parameters())
        853018
    """
    return _cifar(9, weights, **kwargs)


@register_model(SMALL_PHOTOGRAPH, 1_727_962, "He et al. 2015")
def resnet110(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-110 for images of 32x32: 1,727,962 parameters. The paper starts it with a smaller learning rate.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: `preactivation` for V2, and ResNet's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.resnet110().parameters())
        1727962
    """
    return _cifar(18, weights, **kwargs)
