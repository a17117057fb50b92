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

from minigrad import nn
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import DIGIT, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "LeNet5",
    "lenet5",
]


class LeNet5(nn.Module):
    """LeNet-5: (N, in_channels, input_size, input_size) -> logits (N, num_classes).

    The paper pads its digits of 28x28 to 32x32. For `input_size` 28 the first convolution does so; 32 takes
    pictures that are padded, or as large. By default ReLU and max-pooling, as the network is trained today; with
    `classic` the paper's tanh and average pooling. Left out of the paper's are what its successors dropped: the gaps
    in C3's connections, the two weights of each subsampling map, and the radial basis functions of the last layer.
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
def lenet5(*, weights: WeightsFile = None, **kwargs) -> LeNet5:
    """LeNet-5, 61,706 parameters; `kwargs` are `LeNet5`'s."""
    return load_weights(LeNet5(**kwargs), weights)
