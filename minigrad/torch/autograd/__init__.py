"""`torch.autograd`: minigrad.autograd, `Variable`, and the derivatives of functions."""

from minigrad import autograd as _engine
from minigrad.torch.autograd import function, functional, variable
from minigrad.torch.autograd.variable import Variable
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
