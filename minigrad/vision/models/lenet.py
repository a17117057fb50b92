"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition").

layer                     output for 28x28     parameters
C1  5x5 convolution        6 x 28 x 28              156
S2  2x2 pooling            6 x 14 x 14
C3  5x5 convolution       16 x 10 x 10            2,416
S4  2x2 pooling           16 x  5 x  5
C5  fully connected      120                     48,120
F6  fully connected       84                     10,164
    fully connected       10                        850     together 61,706
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import DIGIT, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "LeNet5",
    "lenet5",
]


class LeNet5(nn.Module):
    """LeNet-5: (N, in_channels, input_size, input_size) to logits (N, num_classes).

    Omitted from the paper's network is what its successors dropped: the gaps in C3's connections, the two weights of
    each subsampling map, and the radial basis functions of the last layer.

    Args:
        num_classes: the number of classes.
        input_size: 28 pads in the first convolution, as the paper pads its digits; 32 takes padded or larger images.
        classic: the paper's tanh and average pooling, instead of ReLU and max-pooling.
        in_channels: 1 for grey images, 3 for coloured ones.

    Raises:
        ValueError: `input_size` is neither 28 nor 32.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (1998).

    Examples:
        >>> model = mg.vision.models.LeNet5()
        >>> model(mg.zeros(1, 1, 28, 28)).shape, sum(p.numel() for p in model.parameters())
        ((1, 10), 61706)
    """

    def __init__(self, num_classes: int = 10, input_size: int = 28, classic: bool = False, in_channels: int = 1):
        super().__init__()
        if input_size not in (28, 32):
            raise ValueError(f"LeNet5: input_size must be 28 or 32, but got {input_size}")
        activation = nn.Tanh if classic else nn.ReLU
        pool = nn.AvgPool2d if classic else nn.MaxPool2d
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2 if input_size == 28 else 0),  # 6 x 28 x 28
            activation(),
            pool(2),  # 6 x 14 x 14
            nn.Conv2d(6, 16, kernel_size=5),  # 16 x 10 x 10
            activation(),
            pool(2),  # 16 x 5 x 5
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register_model(DIGIT, 61_706, "LeCun et al. 1998")
def lenet5(*, weights: WeightsFile = None, **kwargs: Any) -> LeNet5:
    """Build LeNet-5: 61,706 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: LeNet5's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> mg.vision.models.lenet5()(mg.zeros(1, 1, 28, 28)).shape
        (1, 10)
    """
    return load_weights(LeNet5(**kwargs), weights)
