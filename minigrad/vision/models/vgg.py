"""VGG: stacks of 3x3 convolutions, the deeper the better.

Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition". Two 3x3
convolutions see 5x5 pixels and three see 7x7, with fewer weights and more ReLUs than one large convolution has.

    side at 224   A (11)     A-LRN        B (13)     C (16)            D (16)     E (19)
    224           64         64, LRN      64 64      64 64             64 64      64 64
    112           128        128          128 128    128 128           128 128    128 128
     56           256 256    256 256      256 256    256 256 256*      256 x 3    256 x 4
     28           512 512    512 512      512 512    512 512 512*      512 x 3    512 x 4
     14           512 512    512 512      512 512    512 512 512*      512 x 3    512 x 4
      7           4096, 4096, 1000 fully connected

A number is a 3x3 convolution with so many channels (* 1x1), and a ReLU; max-pooling halves the side after each row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from minigrad import nn
from minigrad.autograd import no_grad
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "VGG",
    "vgg11",
    "vgg11_bn",
    "vgg11_lrn",
    "vgg11_lrn_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16c",
    "vgg16c_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

# Channels of 3x3 convolutions, "1x1" for as many by a 1x1 convolution, "N" for LRN, "M" for max-pooling.
Layer = int | str
CONFIGURATIONS: dict[str, list[Layer]] = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "A-LRN": [64, "N", "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "C": [64, 64, "M", 128, 128, "M", 256, 256, "1x1", "M", 512, 512, "1x1", "M", 512, 512, "1x1", "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


class VGG(nn.Module):
    """A VGG network: (N, in_channels, H, W) to logits (N, num_classes).

    Images of other sizes than 224x224 are pooled to 7x7 before the fully connected layers.

    Args:
        features: the convolutional part, from `make_layers`.
        num_classes: the number of classes.
        init_weights: draw initial weights as torchvision does.
        dropout: the probability of a 0 before the last two layers.
        small_input: for images of 32x32, pool to 1x1 and use 512 units in the fully connected layers: half a million
            weights for ten classes instead of 120 million.

    Raises:
        ValueError: `dropout` is outside [0, 1].

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (ICLR 2015).

    Examples:
        >>> from minigrad.vision.models.vgg import make_layers
        >>> tiny = mg.vision.models.VGG(make_layers([8, "M", 512, "M"]), num_classes=10, small_input=True)
        >>> tiny.eval()(mg.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(
        self,
        features: nn.Sequential,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
        *,
        small_input: bool = False,
    ):
        super().__init__()
        self.features = features
        channels = [layer for layer in features if isinstance(layer, nn.Conv2d)][-1].out_channels
        self.side, units = (1, 512) if small_input else (7, 4096)
        self.avgpool = nn.AdaptiveAvgPool2d((self.side, self.side))
        self.classifier = nn.Sequential(
            nn.Linear(channels * self.side**2, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, num_classes),
        )
        if init_weights:
            self._initialize()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))

    def score_map(self, x: Tensor) -> Tensor:
        """Compute logits for every position at which the network fits into the image: dense evaluation.

        The fully connected layers become convolutions, the first of 7x7 and the others of 1x1, which share the work of
        all positions. The paper averages: ``model.score_map(x).mean(dim=(2, 3))`` replaces ``model(x)``.

        Args:
            x: (N, in_channels, H, W), H and W at least 224 (32 with `small_input`).

        Returns:
            (N, num_classes, H / 32 - 6, W / 32 - 6).

        Raises:
            ValueError: the image is too small.
        """
        x = self.features(x)
        if min(x.shape[2:]) < self.side:
            raise ValueError(f"score_map: the picture must be at least {32 * self.side} pixels high and wide")
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                side = math.isqrt(layer.in_features // x.shape[1])
                x = F.conv2d(x, layer.weight.unflatten(1, (x.shape[1], side, side)), layer.bias)
            else:
                x = layer(x)
        return x

    @no_grad()
    def initialize_from(self, trained: VGG) -> None:
        """Start a deep network from a shallow trained one, as the paper does from A.

        The first four convolutions and the fully connected layers are copied; the others keep their values. A
        convolution goes to the same place of the same block (the rows of the table), where its shape fits. Where both
        networks have batch normalisation, it is copied too.

        Args:
            trained: the shallow network.
        """
        places = dict(_convolutions(self.features))
        for place, source in list(_convolutions(trained.features))[:4]:
            for name, module in source.items():
                if name in places[place]:
                    places[place][name].load_state_dict(module.state_dict())
        self.classifier.load_state_dict(trained.classifier.state_dict())

    def _initialize(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                init.normal_(layer.weight, 0, 0.01)
                init.zeros_(layer.bias)


def make_layers(cfg: Sequence[Layer], batch_norm: bool = False, in_channels: int = 3) -> nn.Sequential:
    """The convolutional part of a VGG network, from a list as in `CONFIGURATIONS`."""
    layers = nn.Sequential()
    for layer in cfg:
        if layer == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        elif layer == "N":  # the first AlexNet's; LocalResponseNorm divides alpha by the size
            layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
        else:
            channels, size, padding = (in_channels, 1, 0) if layer == "1x1" else (int(layer), 3, 1)
            layers.append(nn.Conv2d(in_channels, channels, kernel_size=size, padding=padding))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU())
            in_channels = channels
    return layers


def _convolutions(features: nn.Sequential) -> Iterator[tuple[tuple[int, int], dict[str, nn.Module]]]:
    """Each convolution, and what normalises it, with its place: block, and number in the block."""
    block, number = 0, 0
    group: dict[str, nn.Module] = {}
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            group = {"convolution": layer}
            yield (block, number), group
            number += 1
        elif isinstance(layer, nn.BatchNorm2d):
            group["norm"] = layer
        elif isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 0


def _vgg(configuration: str, batch_norm: bool, weights: WeightsFile, in_channels: int = 3, **kwargs: Any) -> VGG:
    if weights is not None:
        kwargs["init_weights"] = False
    return load_weights(VGG(make_layers(CONFIGURATIONS[configuration], batch_norm, in_channels), **kwargs), weights)


@register_model(PHOTOGRAPH, 132_863_336, "Simonyan, Zisserman 2014")
def vgg11(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-11 (A): 132,863,336 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg11(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("A", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 132_868_840, "Simonyan, Zisserman 2014")
def vgg11_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-11 (A) with batch normalisation: 132,868,840 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg11_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("A", True, weights, **kwargs)


@register_model(PHOTOGRAPH, 132_863_336, "Simonyan, Zisserman 2014")
def vgg11_lrn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-11 with local response normalisation (A-LRN), no better in the paper: 132,863,336 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg11_lrn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("A-LRN", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 132_868_840, "Simonyan, Zisserman 2014")
def vgg11_lrn_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build A-LRN with batch normalisation: 132,868,840 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg11_lrn_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("A-LRN", True, weights, **kwargs)


@register_model(PHOTOGRAPH, 133_047_848, "Simonyan, Zisserman 2014")
def vgg13(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-13 (B): 133,047,848 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg13(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("B", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 133_053_736, "Simonyan, Zisserman 2014")
def vgg13_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-13 (B) with batch normalisation: 133,053,736 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg13_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("B", True, weights, **kwargs)


@register_model(PHOTOGRAPH, 133_638_952, "Simonyan, Zisserman 2014")
def vgg16c(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-16 with 1x1 convolutions (C): 133,638,952 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg16c(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("C", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 133_647_400, "Simonyan, Zisserman 2014")
def vgg16c_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-16 with 1x1 convolutions (C) and batch normalisation: 133,647,400 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg16c_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("C", True, weights, **kwargs)


@register_model(PHOTOGRAPH, 138_357_544, "Simonyan, Zisserman 2014")
def vgg16(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-16 (D): 138,357,544 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg16(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("D", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 138_365_992, "Simonyan, Zisserman 2014")
def vgg16_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-16 (D) with batch normalisation: 138,365,992 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg16_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("D", True, weights, **kwargs)


@register_model(PHOTOGRAPH, 143_667_240, "Simonyan, Zisserman 2014")
def vgg19(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-19 (E): 143,667,240 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg19(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("E", False, weights, **kwargs)


@register_model(PHOTOGRAPH, 143_678_248, "Simonyan, Zisserman 2014")
def vgg19_bn(*, weights: WeightsFile = None, **kwargs: Any) -> VGG:
    """Build VGG-19 (E) with batch normalisation: 143,678,248 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: in_channels, and VGG's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.vgg19_bn(num_classes=10, small_input=True).classifier[-1]
        Linear(in_features=512, out_features=10, bias=True)
    """
    return _vgg("E", True, weights, **kwargs)
