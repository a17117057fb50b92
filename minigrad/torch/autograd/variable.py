"""`torch.autograd.variable`."""

from minigrad.torch.facade import face
from minigrad.torch.old import Variable as Variable

__getattr__, __dir__ = face(__name__)
