"""The classic networks, one file each."""

from minigrad.vision.models.lenet import LeNet5

__all__ = ["LeNet5"]
