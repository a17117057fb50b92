"""`torchvision.transforms.v2`: minigrad.vision.transforms.v2."""

from minigrad.torch.facade import face
from minigrad.torchvision.transforms.v2 import functional as functional
from minigrad.vision.transforms import v2 as _engine

__getattr__, __dir__ = face(__name__, _engine)
