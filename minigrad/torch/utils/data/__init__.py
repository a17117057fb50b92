"""`torch.utils.data`: minigrad.data."""

from minigrad import data as _engine
from minigrad.torch.facade import face
from minigrad.torch.utils.data import distributed

__getattr__, __dir__ = face(__name__, _engine)
