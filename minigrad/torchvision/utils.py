"""`torchvision.utils`: minigrad.vision.utils."""

from minigrad.torch.facade import face
from minigrad.vision import utils as _engine

__getattr__, __dir__ = face(__name__, _engine)
