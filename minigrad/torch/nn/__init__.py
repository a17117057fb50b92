"""`torch.nn`: minigrad.nn, `DataParallel`, and the bases of losses and of batch norm that programs ask for."""

from minigrad import nn as _engine
from minigrad.nn.loss import Loss as _Loss
from minigrad.nn.normalization import _BatchNorm as _BatchNorm
from minigrad.torch.facade import face
from minigrad.torch.nn import functional, init, parallel, utils
from minigrad.torch.nn.parallel import DataParallel

__getattr__, __dir__ = face(__name__, _engine)
