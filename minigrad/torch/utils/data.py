"""`torch.utils.data`: minigrad.data."""

from minigrad import data as _engine
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
