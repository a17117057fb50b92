"""The small CNN of the classic Fashion-MNIST tutorials: two convolutions, two fully connected layers.

layer               output for 28x28     parameters
5x5 convolution      6 x 24 x 24              156
2x2 max-pooling      6 x 12 x 12
5x5 convolution     10 x  8 x  8            1,510
2x2 max-pooling     10 x  4 x  4
fully connected     56                      9,016
fully connected     10                        570     together 11,252
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.nn import functional as F
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import DIGIT, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "TutorialCNN",
    "tutorial_cnn",
]


class TutorialCNN(nn.Module):
    """The CNN of many tutorials: (N, in_channels, 28, 28) to logits (N, num_classes).

    Args:
        num_classes: the number of classes.
        in_channels: 1 for grey images, 3 for coloured ones.

    Examples:
        >>> model = mg.vision.models.TutorialCNN()
        >>> model(mg.zeros(2, 1, 28, 28)).shape
        (2, 10)
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 10, 5)
        self.fc1 = nn.Linear(10 * 4 * 4, 56)
        self.fc2 = nn.Linear(56, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


@register_model(DIGIT, 11_252, "classic tutorials")
def tutorial_cnn(*, weights: WeightsFile = None, **kwargs: Any) -> TutorialCNN:
    """Build the tutorials' CNN: 11,252 parameters.

    Args:
        weights: a .safetensors, .pt or .pth file, torchvision's for instance; None draws initial weights.
        kwargs: TutorialCNN's.

    Raises:
        ValueError: there is no such file.

    Examples:
        >>> sum(p.numel() for p in mg.vision.models.tutorial_cnn().parameters())
        11252
    """
    return load_weights(TutorialCNN(**kwargs), weights)
