"""`torchvision.datasets`: minigrad.vision.datasets, and what reads the files of an ImageFolder."""

from minigrad.torch.facade import face
from minigrad.vision import datasets as _engine
from minigrad.vision.datasets import folder, vision

__getattr__, __dir__ = face(__name__, _engine, folder, vision)
