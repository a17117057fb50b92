"""Residual networks: each block adds to what it is given, so that gradients reach the first layer however deep.

He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition". A bottleneck's stride is on its 3x3
convolution, as torchvision has it, and not on the first 1x1 as in the paper.

    stage        side at 224   18             34             50, 101, 152: 1x1, 3x3, 1x1
    conv1        112           7x7, 64, /2    7x7, 64, /2    7x7, 64, /2
    maxpool       56           3x3, /2        3x3, /2        3x3, /2
    layer1        56           2 x basic 64   3 x basic 64   3 x [64, 64, 256]
    layer2        28           2 x basic 128  4 x basic 128  4, 4, 8 x [128, 128, 512]
    layer3        14           2 x basic 256  6 x basic 256  6, 23, 36 x [256, 256, 1024]
    layer4         7           2 x basic 512  3 x basic 512  3 x [512, 512, 2048]
    avgpool, fc    1           1000           1000           1000
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.tensor import Tensor
from minigrad.vision.models.registry import PHOTOGRAPH, register_model
from minigrad.vision.models.weights import WeightsFile, load_weights

__all__ = [
    "ResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
]

Norm = Callable[[int], nn.Module]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3x3 convolution that keeps the picture's size; a normalisation follows and makes a bias useless."""
    return nn.Conv2d(in_planes, out_planes, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias=False)


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """1x1 convolution: a matrix product at each place."""
    return nn.Conv2d(in_planes, out_planes, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """x + (3x3, BN, ReLU, 3x3, BN)(x), then ReLU. `downsample` brings x to the shape of the sum."""

    expansion = 1  # output channels / planes
    last = "bn2"  # what ends the residual branch

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                f"{type(self).__name__} has groups=1, base_width=64 and dilation=1 only, "
                f"but got {groups}, {base_width} and {dilation}"
            )
        self.norm_layer = norm_layer
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU()
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x + shortcut)


class Bottleneck(nn.Module):
    """x + (1x1, BN, ReLU, 3x3, BN, ReLU, 1x1, BN)(x), then ReLU: the costly 3x3 runs on a quarter of the channels.

    `groups` and `base_width` make it ResNeXt's and Wide ResNet's.
    """

    expansion = 4
    last = "bn3"

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        width = int(planes * base_width / 64) * groups
        self.norm_layer = norm_layer
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(x + shortcut)


class ZeroPadShortcut(nn.Module):
    """Shortcut A: every `stride`-th pixel, and channels of zeros up to `out_channels`. It has no parameters."""

    def __init__(self, out_channels: int, stride: int):
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.out_channels - x.shape[1]))

    def extra_repr(self) -> str:
        return f"{self.out_channels}, stride={self.stride}"


class ResNet(nn.Module):
    """A residual network: (N, in_channels, H, W) to logits (N, num_classes).

    The first eight arguments are torchvision's.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: the number of blocks in each stage.
        num_classes: the number of classes.
        zero_init_residual: let every block start as the identity, with a scale of 0 in its last normalisation (Goyal
            et al. 2017).
        groups, width_per_group: of the bottlenecks' 3x3 convolutions.
        replace_stride_with_dilation: for each stage after the first, whether to dilate its convolutions instead of
            halving its images.
        norm_layer: makes a normalisation layer; None means BatchNorm2d.
        in_channels: 3 for colour images, 1 for grey ones.
        width: the channels of the first stage; each later one has twice as many.
        shortcut: where a block changes the shape, "A" pads with zeros, "B" projects by a 1x1 convolution; "C" projects
            in every block.
        small_input: begin with a 3x3 convolution of stride 1 and no max-pooling, for images of about 32x32.

    Raises:
        ValueError: `shortcut` is unknown, or `replace_stride_with_dilation` has the wrong length.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (CVPR 2016).

    Examples:
        >>> from minigrad.vision.models.resnet import BasicBlock
        >>> tiny = mg.vision.models.ResNet(BasicBlock, [1, 1], num_classes=10, width=8, small_input=True)
        >>> tiny(mg.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
        *,
        in_channels: int = 3,
        width: int = 64,
        shortcut: str = "B",
        small_input: bool = False,
    ):
        super().__init__()
        dilate = [False] * (len(layers) - 1) if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != len(layers) - 1:
            raise ValueError(
                f"ResNet: replace_stride_with_dilation must have {len(layers) - 1} elements, "
                f"one for each stage after the first, but got {replace_stride_with_dilation}"
            )
        if shortcut not in ("A", "B", "C"):
            raise ValueError(f"ResNet: shortcut must be 'A', 'B' or 'C', but got {shortcut!r}")
        self.block = block
        self.groups = groups
        self.base_width = width_per_group
        self.norm_layer = norm_layer or nn.BatchNorm2d
        self.shortcut = shortcut
        self.inplanes = width
        self.dilation = 1

        if small_input:
            self.conv1 = conv3x3(in_channels, width)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self.norm_layer(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small_input else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stages = [f"layer{number}" for number in range(1, len(layers) + 1)]
        for number, (name, blocks) in enumerate(zip(self.stages, layers, strict=True)):
            dilated = number > 0 and dilate[number - 1]
            setattr(self, name, self._make_stage(width * 2**number, blocks, 2 if number else 1, dilated))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.inplanes, num_classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, block):
                    init.zeros_(getattr(module, module.last).weight)

    def _make_stage(self, planes: int, blocks: int, stride: int, dilated: bool) -> nn.Sequential:
        """Blocks of which the first changes the shape; if `dilated` its stride becomes a dilation of the rest."""
        dilation = self.dilation
        if dilated:
            self.dilation, stride = self.dilation * stride, 1
        stage = nn.Sequential()
        for _ in range(blocks):
            downsample = self._make_shortcut(planes * self.block.expansion, stride)
            branch = (self.groups, self.base_width, dilation)
            stage.append(self.block(self.inplanes, planes, stride, downsample, *branch, norm_layer=self.norm_layer))
            self.inplanes, stride, dilation = planes * self.block.expansion, 1, self.dilation
        return stage

    def _make_shortcut(self, out_channels: int, stride: int) -> nn.Module | None:
        if stride == 1 and self.inplanes == out_channels and self.shortcut != "C":
            return None
        if self.shortcut == "A":
            return ZeroPadShortcut(out_channels, stride)
        return self._make_projection(out_channels, stride)

    def _make_projection(self, out_channels: int, stride: int) -> nn.Module:
        return nn.Sequential(conv1x1(self.inplanes, out_channels, stride), self.norm_layer(out_channels))

    def features(self, x: Tensor) -> Tensor:
        """Compute the last stage's maps of `x`: (N, C, H / 32, W / 32) for four stages."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = getattr(self, name)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.features(x)).flatten(1))


@register_model(PHOTOGRAPH, 11_689_512, "He et al. 2015")
def resnet18(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-18: 11,689,512 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.resnet18(num_classes=10, width=8).fc
        Linear(in_features=64, out_features=10, bias=True)
    """
    return load_weights(ResNet(BasicBlock, [2, 2, 2, 2], **kwargs), weights)


@register_model(PHOTOGRAPH, 21_797_672, "He et al. 2015")
def resnet34(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-34: 21,797,672 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.resnet34(num_classes=10, width=8).fc
        Linear(in_features=64, out_features=10, bias=True)
    """
    return load_weights(ResNet(BasicBlock, [3, 4, 6, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 25_557_032, "He et al. 2015")
def resnet50(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-50: 25,557,032 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.resnet50(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNet(Bottleneck, [3, 4, 6, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 44_549_160, "He et al. 2015")
def resnet101(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-101: 44,549,160 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.resnet101(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNet(Bottleneck, [3, 4, 23, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 60_192_808, "He et al. 2015")
def resnet152(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNet-152: 60,192,808 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Examples:
        >>> mg.vision.models.resnet152(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNet(Bottleneck, [3, 8, 36, 3], **kwargs), weights)


@register_model(PHOTOGRAPH, 25_028_904, "Xie et al. 2016")
def resnext50_32x4d(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build ResNeXt-50, whose 3x3 convolutions have 32 groups of 4 channels: 25,028,904 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Source: Xie et al., "Aggregated residual transformations for deep neural networks" (CVPR 2017).

    Examples:
        >>> mg.vision.models.resnext50_32x4d(num_classes=10).fc
        Linear(in_features=2048, out_features=10, bias=True)
    """
    return load_weights(ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **kwargs), weights)


@register_model(PHOTOGRAPH, 68_883_240, "Zagoruyko, Komodakis 2016")
def wide_resnet50_2(*, weights: WeightsFile = None, **kwargs: Any) -> ResNet:
    """Build Wide ResNet-50-2, ResNet-50 with twice as many channels inside its bottlenecks: 68,883,240 parameters.

    Args:
        weights: published ones or their name, such as "DEFAULT", or a file; None draws initial weights.
        kwargs: ResNet's.

    Raises:
        ValueError: there are no such weights, or `num_classes` does not fit them.

    Source: Zagoruyko and Komodakis, "Wide residual networks" (2016).

    Examples:
        >>> mg.vision.models.wide_resnet50_2(num_classes=10, width=8).fc
        Linear(in_features=256, out_features=10, bias=True)
    """
    return load_weights(ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **kwargs), weights)
