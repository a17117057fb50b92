"""`torchvision.datasets`: minigrad.vision.datasets."""

from minigrad.torch.facade import face
from minigrad.vision import datasets as _engine

__getattr__, __dir__ = face(__name__, _engine)
