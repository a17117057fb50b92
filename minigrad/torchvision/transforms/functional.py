"""`torchvision.transforms.functional`: minigrad.vision.transforms.functional."""

from minigrad.torch.facade import face
from minigrad.vision.transforms import functional as _engine

__getattr__, __dir__ = face(__name__, _engine)
