"""`torch.autograd`: minigrad.autograd, and `Variable`."""

from minigrad import autograd as _engine
from minigrad.torch.facade import face
from minigrad.torch.old import Variable as Variable

__getattr__, __dir__ = face(__name__, _engine)
