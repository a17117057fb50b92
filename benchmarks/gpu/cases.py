"""What is measured on a GPU, and in which order: the most wanted first, since the time may not do for all."""

from dataclasses import asdict, dataclass, replace

from benchmarks.cases import Case
from benchmarks.runner import Contender


@dataclass(frozen=True)
class GpuContender(Contender):
    graph: bool = False  # a whole step as one CUDA graph
    compiled: bool = False  # the network through torch.compile


# channels_last goes with cudnn.benchmark: together they are what PyTorch recommends for speed.
CONTENDERS = [
    GpuContender("minigrad", "minigrad", "contiguous"),
    GpuContender("minigrad graph", "minigrad", "contiguous", graph=True),
    GpuContender("PyTorch", "torch", "contiguous"),
    GpuContender("PyTorch channels_last", "torch", "channels_last"),
    GpuContender("PyTorch graph", "torch", "contiguous", graph=True),
    GpuContender("PyTorch channels_last graph", "torch", "channels_last", graph=True),
]
# In cases of their own: a network takes torch.compile half a minute and more before its first step.
COMPILED = [
    GpuContender("minigrad graph", "minigrad", "contiguous", graph=True),
    GpuContender("PyTorch compiled", "torch", "channels_last", compiled=True),
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
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.case}, {self.tf32}{', torch.compile' if self.compiled else ''}"

    @property
    def contenders(self) -> list[GpuContender]:
        return COMPILED if self.compiled else CONTENDERS

    def tiny(self) -> "Network":
        """For a rehearsal: every case is LeNet-5 on two pictures."""
        return replace(self, case=replace(self.case, model="lenet5", batch=2, channels=1, size=28))


@dataclass(frozen=True)
class Convolution:
    channels: int
    size: int
    out_channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1

    def __str__(self) -> str:
        kernel = f"{self.kernel}x{self.kernel}{f' /{self.stride}' if self.stride > 1 else ''}"
        return f"{kernel}, {self.channels}x{self.size}x{self.size} to {self.out_channels}"

    @property
    def request(self) -> dict:
        """A function of `benchmarks.operations`, and its arguments after network and batch."""
        return {"operation": "convolution", "arguments": list(asdict(self).values())}

    def tiny(self) -> "Convolution":
        size, channels, out_channels = min(self.size, 8), min(self.channels, 4), min(self.out_channels, 4)
        return replace(self, channels=channels, size=size, out_channels=out_channels)


@dataclass(frozen=True)
class MemoryBound:
    """An operation that does little more than read and write: a function of `benchmarks.operations`."""

    operation: str
    arguments: tuple[int, ...]  # after network and batch

    def __str__(self) -> str:
        return f"{self.operation.replace('_', ' ')}, {'x'.join(map(str, self.arguments))}"

    @property
    def request(self) -> dict:
        return {"operation": self.operation, "arguments": list(self.arguments)}

    def tiny(self) -> "MemoryBound":
        return replace(self, arguments=tuple(min(number, 8) for number in self.arguments))


@dataclass(frozen=True)
class Layers:
    """Operations one by one, each pass of them."""

    title: str
    batch: int
    layers: tuple[Convolution | MemoryBound, ...]

    def __str__(self) -> str:
        return f"{self.title}, batch {self.batch}, {Tf32()}"

    def tiny(self) -> "Layers":
        ends = self.layers[0], self.layers[-1]
        return replace(self, batch=2, layers=tuple(layer.tiny() for layer in ends))


@dataclass(frozen=True)
class Profile:
    """Where the time of a training step goes, kernel by kernel."""

    case: Case

    def __str__(self) -> str:
        return f"{self.case}: an eager training step by kernels, {Tf32()}"

    def tiny(self) -> "Profile":
        return replace(self, case=Network(self.case).tiny().case)


@dataclass(frozen=True)
class Calibration:
    """The rates that `kernels/cuda/tiling.py` chooses tiles by."""

    size: int = 56
    channels: int = 256
    bytes: int = 2**30
    seconds: float = 0.1

    def __str__(self) -> str:
        return "the rate of each tile, and what a launch and a start cost"

    def tiny(self) -> "Calibration":
        return Calibration(2, 16, 2**12, 0.0)


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

BANDWIDTH = (
    MemoryBound("batch_norm", (64, 112, 112)),
    MemoryBound("batch_norm", (512, 7, 7)),
    MemoryBound("relu", (64, 112, 112)),
    MemoryBound("max_pooling", (64, 112, 3, 2, 1)),
    MemoryBound("max_pooling", (64, 224, 2, 2, 0)),
    MemoryBound("average_pooling", (512, 7)),
    MemoryBound("dropout", (64, 112, 112)),
    MemoryBound("cross_entropy", (1000,)),
)

LENET = Case("LeNet-5", "lenet5", 256, 1, 28)
VGG11_32 = Case("VGG-11-BN", "vgg11_bn_small", 256, 3, 32)
RESNET18_32 = Case("ResNet-18", "resnet18_small", 256, 3, 32)
RESNET18_224 = Case("ResNet-18", "resnet18", 64, 3, 224)
RESNET50_224 = Case("ResNet-50", "resnet50", 64, 3, 224)
VGG16_224 = Case("VGG-16", "vgg16", 32, 3, 224)

Part = Network | Layers | Profile | Calibration
MEASURED: dict[str, Part] = {
    "calibration": Calibration(),
    "bandwidth": Layers("Operations that wait for memory", 64, BANDWIDTH),
    "lenet-256": Network(LENET),
    "vgg11_bn-32": Network(VGG11_32),
    "resnet18-32": Network(RESNET18_32),
    "resnet50-224": Network(RESNET50_224),
    "resnet18-224": Network(RESNET18_224),
    "vgg16-224": Network(VGG16_224),
    "profile-resnet18-32": Profile(RESNET18_32),
    "profile-resnet50-224": Profile(RESNET50_224),
    "layers-resnet50-224": Layers("Convolutions of ResNet-50, 224x224", 64, RESNET50),
    "compiled-lenet-256": Network(LENET, compiled=True),
    "compiled-resnet18-32": Network(RESNET18_32, compiled=True),
    "compiled-resnet50-224": Network(RESNET50_224, compiled=True),
    "layers-vgg11-32": Layers("Convolutions of VGG-11, 32x32", 256, VGG11_SMALL),
    "layers-resnet18-32": Layers("Convolutions of ResNet-18, 32x32", 256, RESNET18_SMALL),
    "layers-vgg16-224": Layers("Convolutions of VGG-16, 224x224", 32, VGG16),
    "resnet18-32-fp32": Network(RESNET18_32, Tf32(conv=False)),
    "vgg16-224-tf32": Network(VGG16_224, Tf32(matmul=True)),
}
CHECKS = ["tests", "sanitizer"]
