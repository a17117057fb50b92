"""`torchvision.io`: minigrad.vision.io."""

from minigrad.torch.facade import face
from minigrad.vision import io as _engine

__getattr__, __dir__ = face(__name__, _engine)
