"""What is measured on a GPU, and in which order: the most valuable first, since the time may not do for all."""

from dataclasses import dataclass, replace

from benchmarks.cases import Case
from benchmarks.runner import Contender


@dataclass(frozen=True)
class GpuContender(Contender):
    graph: bool = False  # a whole step as one CUDA graph


# channels_last goes with cudnn.benchmark: together they are what PyTorch recommends for speed.
CONTENDERS = [
    GpuContender("minigrad", "minigrad", "contiguous"),
    GpuContender("minigrad graph", "minigrad", "contiguous", graph=True),
    GpuContender("PyTorch", "torch", "contiguous"),
    GpuContender("PyTorch channels_last", "torch", "channels_last"),
    GpuContender("PyTorch graph", "torch", "contiguous", graph=True),
    GpuContender("PyTorch channels_last graph", "torch", "channels_last", graph=True),
]


@dataclass(frozen=True)
class Tf32:
    """Which float32 products may be rounded to TF32; PyTorch's defaults, and minigrad's."""

    conv: bool = True
    matmul: bool = False

    def __str__(self) -> str:
        return f"TF32 {'on' if self.conv else 'off'} for convolution, {'on' if self.matmul else 'off'} for Linear"


@dataclass(frozen=True)
class Network:
    """A training step and inference of a network."""

    case: Case
    tf32: Tf32 = Tf32()

    def __str__(self) -> str:
        return f"{self.case}, {self.tf32}"

    def tiny(self) -> "Network":
        """For a rehearsal: every case is LeNet-5 on two pictures."""
        return replace(self, case=replace(self.case, model="lenet5", batch=2, channels=1, size=28))


@dataclass(frozen=True)
class Convolution:
    """A layer: the arguments of `benchmarks.operations.convolution`."""

    channels: int
    size: int
    out_channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1

    def tiny(self) -> "Convolution":
        size, channels, out_channels = min(self.size, 8), min(self.channels, 4), min(self.out_channels, 4)
        return replace(self, channels=channels, size=size, out_channels=out_channels)


@dataclass(frozen=True)
class Layers:
    """The different convolutions of a network, one by one."""

    title: str
    batch: int
    convolutions: tuple[Convolution, ...]

    def __str__(self) -> str:
        return f"the convolutions of {self.title}, batch {self.batch}, {Tf32()}"

    def tiny(self) -> "Layers":
        ends = self.convolutions[0], self.convolutions[-1]
        return replace(self, batch=2, convolutions=tuple(layer.tiny() for layer in ends))


def _three_by_three(*geometries, stride=1):
    return tuple(Convolution(*geometry, stride=stride) for geometry in geometries)


def _one_by_one(*geometries, stride=1):
    return tuple(Convolution(*geometry, kernel=1, stride=stride, padding=0) for geometry in geometries)


VGG11_SMALL = _three_by_three(
    (3, 32, 64), (64, 16, 128), (128, 8, 256), (256, 8, 256), (256, 4, 512), (512, 4, 512), (512, 2, 512)
)
_NARROWING = (64, 32, 128), (128, 16, 256), (256, 8, 512)
RESNET18_SMALL = (
    *_three_by_three((3, 32, 64), (64, 32, 64), (128, 16, 128), (256, 8, 256), (512, 4, 512)),
    *_three_by_three(*_NARROWING, stride=2),
    *_one_by_one(*_NARROWING, stride=2),
)
RESNET50 = (
    Convolution(3, 224, 64, kernel=7, stride=2, padding=3),
    *_three_by_three((64, 56, 64), (128, 28, 128), (256, 14, 256), (512, 7, 512)),
    *_three_by_three((128, 56, 128), (256, 28, 256), (512, 14, 512), stride=2),
    *_one_by_one((64, 56, 64), (64, 56, 256), (256, 56, 64), (256, 56, 128), (512, 28, 128), (128, 28, 512)),
    *_one_by_one((512, 28, 256), (1024, 14, 256), (256, 14, 1024), (1024, 14, 512), (2048, 7, 512), (512, 7, 2048)),
    *_one_by_one((256, 56, 512), (512, 28, 1024), (1024, 14, 2048), stride=2),
)
VGG16 = _three_by_three(
    *((3, 224, 64), (64, 224, 64), (64, 112, 128), (128, 112, 128), (128, 56, 256), (256, 56, 256)),
    *((256, 28, 512), (512, 28, 512), (512, 14, 512)),
)

MEASURED: dict[str, Network | Layers] = {
    "lenet-256": Network(Case("LeNet-5", "lenet5", 256, 1, 28)),
    "vgg11_bn-32": Network(Case("VGG-11-BN", "vgg11_bn_small", 256, 3, 32)),
    "resnet18-32": Network(Case("ResNet-18", "resnet18_small", 256, 3, 32)),
    "layers-vgg11-32": Layers("VGG-11, 32x32", 256, VGG11_SMALL),
    "layers-resnet18-32": Layers("ResNet-18, 32x32", 256, RESNET18_SMALL),
    "resnet50-224": Network(Case("ResNet-50", "resnet50", 64, 3, 224)),
    "resnet18-224": Network(Case("ResNet-18", "resnet18", 64, 3, 224)),
    "vgg16-224": Network(Case("VGG-16", "vgg16", 32, 3, 224)),
    "layers-resnet50-224": Layers("ResNet-50, 224x224", 64, RESNET50),
    "layers-vgg16-224": Layers("VGG-16, 224x224", 32, VGG16),
    "resnet18-32-fp32": Network(Case("ResNet-18", "resnet18_small", 256, 3, 32), Tf32(conv=False)),
    "vgg16-224-tf32": Network(Case("VGG-16", "vgg16", 32, 3, 224), Tf32(matmul=True)),
}
CHECKS = ["tests", "sanitizer"]
