"""`torch.nn.functional`: minigrad.nn.functional."""

from minigrad.nn import functional as _engine
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
