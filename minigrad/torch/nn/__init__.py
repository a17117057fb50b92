"""`torch.nn`: minigrad.nn, and `DataParallel`."""

from minigrad import nn as _engine
from minigrad.torch.facade import face
from minigrad.torch.nn import functional, init, parallel, utils
from minigrad.torch.nn.parallel import DataParallel

__getattr__, __dir__ = face(__name__, _engine)
