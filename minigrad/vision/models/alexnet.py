"""AlexNet, as torchvision has it and as its first paper had it.

Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks": five
convolutions, three fully connected layers, ReLU, dropout. Two GPUs of 3 GB held it, a half each; what is left of
that are the two groups of its second, fourth and fifth convolution. Krizhevsky 2014, "One weird trick for
parallelizing convolutional neural networks", has no groups, no local response normalisation and other widths.

                               AlexNet2012       AlexNet (2014)    side for 224x224
    11x11 convolution, /4       96                64                55
    3x3 max-pooling, /2                                             27
    5x5 convolution            256, 2 groups     192                27
    3x3 max-pooling, /2                                             13
    3x3 convolution            384               384                13
    3x3 convolution            384, 2 groups     256                13
    3x3 convolution            256, 2 groups     256                13
    3x3 max-pooling, /2                                              6
    fully connected            4096              4096
    fully connected            4096              4096
    fully connected            1000              1000
    parameters                 60,965,224        61,100,840
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.nn import init
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "AlexNet",
    "AlexNet2012",
    "alexnet",
    "alexnet2012",
]


class AlexNet(nn.Module):
    """AlexNet of 2014, as torchvision has it: (N, in_channels, H, W), made for 224x224, to logits (N, num_classes).

    Args:
        num_classes: the number of classes.
        dropout: the probability of a 0 before the hidden fully connected layers.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: `dropout` is outside [0, 1].

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014).

    Examples:
        >>> model = mg.vision.models.AlexNet(num_classes=10)
        >>> model.classifier[-1]
        Linear(in_features=4096, out_features=10, bias=True)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, in_channels: int = 3):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),  # 64 x 55 x 55
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 64 x 27 x 27
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 192 x 13 x 13
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = _classifier(num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class AlexNet2012(nn.Module):
    """AlexNet of 2012: (N, in_channels, H, W), made for 224x224, to logits (N, num_classes).

    Local response normalisation follows the ReLU of the first two convolutions. As in the paper, weights are drawn
    from N(0, 0.01^2), and the biases of the second, fourth and fifth convolution and of the hidden fully connected
    layers are 1, so that their ReLUs begin in their linear part; other biases are 0.

    Args:
        num_classes: the number of classes.
        dropout: the probability of a 0 before the hidden fully connected layers.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: `dropout` is outside [0, 1].

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012).

    Examples:
        >>> model = mg.vision.models.AlexNet2012(num_classes=10)
        >>> model.features[2]
        LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, in_channels: int = 3):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=2),  # 96 x 55 x 55
            nn.ReLU(),
            _response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 96 x 27 x 27
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2),
            nn.ReLU(),
            _response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 13 x 13
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = _classifier(num_classes, dropout)

        layers = [layer for layer in self.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for layer, bias in zip(layers, (0, 1, 0, 1, 1, 1, 1, 0), strict=True):
            init.normal_(layer.weight, std=0.01)
            init.constant_(layer.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _response_norm() -> nn.LocalResponseNorm:
    size = 5
    return nn.LocalResponseNorm(size, alpha=size * 1e-4, beta=0.75, k=2)  # the paper does not divide alpha by the size


def _classifier(num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, num_classes),
    )


@register_model(PHOTOGRAPH, 61_100_840, "Krizhevsky 2014")
def alexnet(*, weights: WeightsFile = None, **kwargs: Any) -> AlexNet:
    """Build AlexNet as torchvision has it: 61,100,840 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: AlexNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.alexnet(num_classes=10).classifier[-1]
        Linear(in_features=4096, out_features=10, bias=True)
    """
    return load_weights(AlexNet(**kwargs), weights)


@register_model(PHOTOGRAPH, 60_965_224, "Krizhevsky et al. 2012")
def alexnet2012(*, weights: WeightsFile = None, **kwargs: Any) -> AlexNet2012:
    """Build AlexNet as its paper has it: 60,965,224 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: AlexNet2012's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.alexnet2012(num_classes=10).features[2]
        LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2)
    """
    return load_weights(AlexNet2012(**kwargs), weights)
