"""Data sets of images, with torchvision's names, arguments and folders.

An item is (image, class): a Pillow image, or what `transform` makes of it, and an int. `data` and `targets` hold the
whole set as arrays, for programs that process all of it at once.
"""

from minigrad.vision.datasets.cifar import CIFAR10, CIFAR100
from minigrad.vision.datasets.fake import FakeData
from minigrad.vision.datasets.folder import DatasetFolder, ImageFolder
from minigrad.vision.datasets.mnist import MNIST, FashionMNIST, FashionMNISTSample
from minigrad.vision.datasets.mnist_kin import EMNIST, KMNIST, QMNIST

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "FashionMNISTSample",
    "ImageFolder",
]
