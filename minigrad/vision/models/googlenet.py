"""GoogLeNet: modules that look at their input at several scales side by side.

Szegedy et al. 2014, "Going deeper with convolutions"; with batch normalisation Ioffe and Szegedy 2015. An inception
module joins four branches: 1x1; 1x1 then 3x3; 1x1 then 5x5; 3x3 max-pooling then 1x1. Each 1x1 before a larger
convolution first makes its input thin.

    layer        output for 224x224
    conv1         64 x 112 x 112   7x7, /2
    maxpool1      64 x  56 x  56   3x3, /2
    conv2, 3     192 x  56 x  56   1x1 with 64 channels, 3x3
    maxpool2     192 x  28 x  28
    3a, 3b       256, 480          28 x 28
    maxpool3     480 x  14 x  14
    4a ... 4e    512, 512, 512, 528, 832   14 x 14   auxiliary classifiers after 4a and 4d
    maxpool4     832 x   7 x   7
    5a, 5b       832, 1024         7 x 7
    avgpool     1024, dropout, fully connected
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.ops.joining import cat
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "GoogLeNet",
    "GoogLeNetOutputs",
    "auxiliary_loss",
    "googlenet",
]

# in, 1x1, 3x3 (reduced to, output), 5x5 (reduced to, output), after pooling: the paper's table 1
INCEPTIONS = {
    "3a": (192, 64, (96, 128), (16, 32), 32),
    "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64),
    "4b": (512, 160, (112, 224), (24, 64), 64),
    "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64),
    "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128),
    "5b": (832, 384, (192, 384), (48, 128), 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet returns in training: logits (N, num_classes) of the network and of its auxiliary classifiers.

    Examples:
        >>> logits = mg.zeros(2, 10)
        >>> outputs = mg.vision.models.GoogLeNetOutputs(logits, logits, logits)
        >>> outputs._fields
        ('logits', 'aux_logits2', 'aux_logits1')
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


def auxiliary_loss(
    outputs: GoogLeNetOutputs | Tensor,
    target: Tensor,
    criterion: Callable[..., Tensor] = F.cross_entropy,
    weight: float = 0.3,
) -> Tensor:
    """Compute the loss of GoogLeNet with its auxiliary classifiers, or of plain logits in evaluation.

    Args:
        outputs: `GoogLeNetOutputs`, or logits.
        target: the classes (N,).
        criterion: the loss of one classifier.
        weight: the factor of each auxiliary classifier's loss.

    Examples:
        >>> outputs = mg.vision.models.GoogLeNetOutputs(*[mg.zeros(2, 10)] * 3)
        >>> mg.vision.models.auxiliary_loss(outputs, mg.tensor([3, 5]))  # 1.6 log 10
        tensor(3.6841)
    """
    if isinstance(outputs, Tensor):
        return criterion(outputs, target)
    logits, *auxiliary = (criterion(logits, target) for logits in outputs)
    return logits + weight * sum(auxiliary)


class BasicConv2d(nn.Module):
    """Convolution, batch normalisation if `batch_norm` (else a bias), ReLU."""

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = True, **kwargs: Any):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=not batch_norm, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if batch_norm else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """(N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W): four branches side by side.

    With batch normalisation the third branch's convolution is 3x3 and not 5x5. That began as a slip in
    TensorFlow's version, and the published weights are of that shape.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3: tuple[int, int],
        ch5x5: tuple[int, int],
        pool_proj: int,
        batch_norm: bool = True,
    ):
        super().__init__()
        large = {"kernel_size": 3, "padding": 1} if batch_norm else {"kernel_size": 5, "padding": 2}
        self.branch1 = BasicConv2d(in_channels, ch1x1, batch_norm, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3[0], batch_norm, kernel_size=1),
            BasicConv2d(*ch3x3, batch_norm, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5[0], batch_norm, kernel_size=1),
            BasicConv2d(*ch5x5, batch_norm, **large),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, pool_proj, batch_norm, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class InceptionAux(nn.Module):
    """A classifier at half height, (N, in_channels, H, W) -> logits, that brings gradients to the lower layers."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7, batch_norm: bool = True):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d((4, 4))  # the paper's 5x5 with stride 3, for any size
        self.conv = BasicConv2d(in_channels, 128, batch_norm, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.avgpool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """GoogLeNet: (N, in_channels, H, W) to logits (N, num_classes).

    In training with `aux_logits` it returns `GoogLeNetOutputs`, for `auxiliary_loss`; in evaluation the auxiliary
    classifiers are not computed.

    Args:
        num_classes: the number of classes.
        aux_logits: build the two auxiliary classifiers.
        transform_input: convert images normalised by ImageNet's means and deviations to mean 0.5 and deviation 0.5,
            with which the published weights were trained.
        init_weights: draw initial weights from a truncated normal distribution, as torchvision does.
        dropout, dropout_aux: the probability of a 0 before the last layer of each classifier.
        batch_norm: torchvision's network; False is that of 2014: biases, 5x5 convolutions, local response
            normalisation below, a last max-pooling of 3x3, and weights drawn by Xavier's rule.
        in_channels: 3 for colour images, 1 for grey ones.

    Raises:
        ValueError: a probability is outside [0, 1].

    Source: Szegedy et al., "Going deeper with convolutions" (CVPR 2015).

    Examples:
        >>> model = mg.vision.models.GoogLeNet(num_classes=10, aux_logits=False, init_weights=False)
        >>> model.fc
        Linear(in_features=1024, out_features=10, bias=True)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool = True,
        *,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
        batch_norm: bool = True,
        in_channels: int = 3,
    ):
        super().__init__()
        self.aux_logits = aux_logits
        self.transform_input = transform_input

        def pool(size: int = 3) -> nn.MaxPool2d:
            return nn.MaxPool2d(size, stride=2, ceil_mode=True)

        def response_norm() -> nn.Module:  # the first AlexNet's; LocalResponseNorm divides alpha by the size
            return nn.Identity() if batch_norm else nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)

        self.conv1 = BasicConv2d(in_channels, 64, batch_norm, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = pool()
        self.norm1 = response_norm()
        self.conv2 = BasicConv2d(64, 64, batch_norm, kernel_size=1)
        self.conv3 = BasicConv2d(64, 192, batch_norm, kernel_size=3, padding=1)
        self.norm2 = response_norm()
        self.maxpool2 = pool()
        for name, widths in INCEPTIONS.items():
            setattr(self, f"inception{name}", Inception(*widths, batch_norm))
            if name == "3b":
                self.maxpool3 = pool()
            elif name == "4e":
                self.maxpool4 = pool(2 if batch_norm else 3)
        self.aux1 = InceptionAux(512, num_classes, dropout_aux, batch_norm) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, dropout_aux, batch_norm) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)

        if init_weights:
            for layer in self.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    if batch_norm:
                        init.normal_(layer.weight, std=0.01)
                    else:
                        init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        if self.transform_input:
            mean, std = (
                x.new_tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
            )
            x = (x * std + mean - 0.5) / 0.5
        x = self.norm1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = below_aux1 = self.inception4a(x)
        x = below_aux2 = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x))).flatten(1)
        logits = self.fc(self.dropout(x))
        if self.training and self.aux_logits and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(logits, self.aux2(below_aux2), self.aux1(below_aux1))
        return logits


@register_model(PHOTOGRAPH, 6_624_904, "Szegedy et al. 2014")
def googlenet(*, weights: WeightsFile = None, **kwargs: Any) -> GoogLeNet:
    """Build GoogLeNet as torchvision has it: 6,624,904 parameters, and 6,379,984 in the auxiliary classifiers.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; `transform_input` is then True and
            `aux_logits` False unless given. None draws initial weights.
        kwargs: GoogLeNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.googlenet(num_classes=10, aux_logits=False, init_weights=False).fc
        Linear(in_features=1024, out_features=10, bias=True)
    """
    if weights is None:
        return GoogLeNet(**kwargs)
    keep_auxiliary = kwargs.pop("aux_logits", False)
    kwargs = {"transform_input": True, "init_weights": False} | kwargs
    model = load_weights(GoogLeNet(aux_logits=True, **kwargs), weights)  # published files hold them
    if not keep_auxiliary:
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    return model
