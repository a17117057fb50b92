"""What is measured: which network, on how many pictures of what shape."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    title: str
    model: str  # its name in benchmarks.models
    batch: int
    channels: int
    size: int

    def __str__(self) -> str:
        return f"{self.title}, {self.channels}x{self.size}x{self.size}, batch {self.batch}"


CASES = {
    "lenet-64": Case("LeNet-5", "lenet5", 64, 1, 28),
    "lenet-256": Case("LeNet-5", "lenet5", 256, 1, 28),
    "vgg11-32": Case("VGG-11", "vgg11_small", 64, 1, 32),
    "vgg11_bn-32": Case("VGG-11-BN", "vgg11_bn_small", 64, 1, 32),
    "vgg16_bn-32": Case("VGG-16-BN", "vgg16_bn_small", 32, 3, 32),
    "resnet18-32": Case("ResNet-18", "resnet18_small", 32, 3, 32),
    "vgg11_bn-224": Case("VGG-11-BN", "vgg11_bn", 4, 3, 224),
    "resnet18-224": Case("ResNet-18", "resnet18", 8, 3, 224),
    "resnet50-224": Case("ResNet-50", "resnet50", 4, 3, 224),
    "googlenet-224": Case("GoogLeNet", "googlenet", 8, 3, 224),
    "alexnet-224": Case("AlexNet", "alexnet", 16, 3, 224),
}


def choose(words: list[str], names: Iterable[str] = CASES) -> list[str]:
    """The names that begin with one of `words` (none: all). ValueError for a word that fits nothing."""
    names = list(names)
    for word in words:
        if not any(name.startswith(word) for name in names):
            raise ValueError(f"no case begins with {word!r}; there are {', '.join(names)}")
    return [name for name in names if not words or name.startswith(tuple(words))]
