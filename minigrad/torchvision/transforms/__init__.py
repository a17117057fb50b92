"""`torchvision.transforms`: minigrad.vision.transforms."""

from minigrad.torch.facade import face
from minigrad.torchvision.transforms import functional as functional
from minigrad.torchvision.transforms import v2 as v2
from minigrad.vision import transforms as _engine

__getattr__, __dir__ = face(__name__, _engine)
