"""`torchvision.models`: minigrad.vision.models."""

from minigrad.torch.facade import face
from minigrad.vision import models as _engine

__getattr__, __dir__ = face(__name__, _engine)
