"""The measured networks, written once for both libraries, layer for layer as torchvision has them.

The small forms are for 32x32 pictures and differ as is usual there: VGG ends in global pooling and one linear layer
instead of three of 4,096, ResNet begins with a 3x3 convolution of stride 1 and no pooling. GoogLeNet is without its
auxiliary classifiers.
"""

from benchmarks.backend import F, nn, torch


def lenet5(in_channels):
    """LeNet-5 with ReLU and max pooling, for 28x28 pictures."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def vgg11_small(in_channels):
    return _vgg([1, 1, 2, 2, 2], in_channels, small=True, batch_norm=False)


def vgg11_bn_small(in_channels):
    return _vgg([1, 1, 2, 2, 2], in_channels, small=True)


def vgg16_bn_small(in_channels):
    return _vgg([2, 2, 3, 3, 3], in_channels, small=True)


def vgg11_bn(in_channels):
    return _vgg([1, 1, 2, 2, 2], in_channels)


def vgg16(in_channels):
    return _vgg([2, 2, 3, 3, 3], in_channels, batch_norm=False)


def _vgg(stages, channels, small=False, batch_norm=True):
    layers = []
    for count, width in zip(stages, [64, 128, 256, 512, 512], strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2))
    if small:
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    head = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(inplace=True), nn.Dropout()]
    head += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *head)


def alexnet(in_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.AdaptiveAvgPool2d(6),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, 1000),
    )


class BasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions."""

    expansion = 1

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(channels, width, stride)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return self.relu(x)


class Bottleneck(nn.Module):
    """ResNet's block of 1x1, 3x3 and 1x1 convolutions; the stride lies in the 3x3."""

    expansion = 4

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(channels, 4 * width, stride)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        return self.relu(x)


def _projection(channels, out_channels, stride):
    """A 1x1 convolution for a shortcut whose ends differ in shape, else None."""
    if stride == 1 and channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


def resnet18_small(in_channels):
    return _resnet(BasicBlock, [2, 2, 2, 2], in_channels, small=True)


def resnet18(in_channels):
    return _resnet(BasicBlock, [2, 2, 2, 2], in_channels)


def resnet50(in_channels):
    return _resnet(Bottleneck, [3, 4, 6, 3], in_channels)


def _resnet(block, stages, in_channels, small=False):
    if small:
        layers = [nn.Conv2d(in_channels, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    else:
        layers = [nn.Conv2d(in_channels, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(3, 2, padding=1))
    channels = 64
    for stage, count in enumerate(stages):
        for index in range(count):
            layers.append(block(channels, 64 * 2**stage, 2 if stage and index == 0 else 1))
            channels = 64 * 2**stage * block.expansion
    head = nn.Linear(channels, 10 if small else 1000)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class ConvBlock(nn.Module):
    """GoogLeNet's convolution, batch-norm and ReLU."""

    def __init__(self, channels, out_channels, kernel_size, **geometry):
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, kernel_size, bias=False, **geometry)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches side by side; the third has a 3x3 where the paper has a 5x5, as in torchvision."""

    def __init__(self, channels, one, three_in, three, five_in, five, pool):
        super().__init__()
        self.branch1 = ConvBlock(channels, one, 1)
        self.branch2 = nn.Sequential(ConvBlock(channels, three_in, 1), ConvBlock(three_in, three, 3, padding=1))
        self.branch3 = nn.Sequential(ConvBlock(channels, five_in, 1), ConvBlock(five_in, five, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), ConvBlock(channels, pool, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


def googlenet(in_channels):
    return nn.Sequential(
        ConvBlock(in_channels, 64, 7, stride=2, padding=3),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        ConvBlock(64, 64, 1),
        ConvBlock(64, 192, 3, padding=1),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        Inception(192, 64, 96, 128, 16, 32, 32),
        Inception(256, 128, 128, 192, 32, 96, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        Inception(480, 192, 96, 208, 16, 48, 64),
        Inception(512, 160, 112, 224, 24, 64, 64),
        Inception(512, 128, 128, 256, 24, 64, 64),
        Inception(512, 112, 144, 288, 32, 64, 64),
        Inception(528, 256, 160, 320, 32, 128, 128),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        Inception(832, 256, 160, 320, 32, 128, 128),
        Inception(832, 384, 192, 384, 48, 128, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(1024, 1000),
    )


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; the shortcut skips pixels and adds channels of zeros (He et al. 2016, option A)."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - channels

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.added:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, self.added // 2, self.added // 2))
        return F.relu(y + shortcut)


def resnet20(in_channels):
    layers = [nn.Conv2d(in_channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [CifarBlock(channels, width, stride), CifarBlock(width, width, 1), CifarBlock(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class InvertedResidual(nn.Module):
    """MobileNet V2's block: 1x1 to more channels, a depthwise 3x3, and 1x1 back to few."""

    def __init__(self, channels, out_channels, stride, ratio):
        super().__init__()
        width = channels * ratio
        layers = _conv_relu6(channels, width, 1) if ratio > 1 else []
        layers += _conv_relu6(width, width, 3, stride=stride, padding=1, groups=width)
        self.conv = nn.Sequential(*layers, nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.adds = stride == 1 and channels == out_channels

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


def _conv_relu6(channels, out_channels, kernel_size, **geometry):
    convolution = nn.Conv2d(channels, out_channels, kernel_size, bias=False, **geometry)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU6(inplace=True)]


def mobilenet_v2(in_channels):
    layers, channels = _conv_relu6(in_channels, 32, 3, stride=2, padding=1), 32
    for ratio, width, count, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for index in range(count):
            layers.append(InvertedResidual(channels, width, stride if index == 0 else 1, ratio))
            channels = width
    layers += _conv_relu6(channels, 1280, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, 1000))
