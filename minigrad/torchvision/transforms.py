"""`torchvision.transforms`: minigrad.vision.transforms."""

from minigrad.torch.facade import face
from minigrad.vision import transforms as _engine

__getattr__, __dir__ = face(__name__, _engine)
