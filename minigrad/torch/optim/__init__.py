"""`torch.optim`: minigrad.optim."""

from minigrad import optim as _engine
from minigrad.torch.facade import face
from minigrad.torch.optim import lr_scheduler as lr_scheduler

__getattr__, __dir__ = face(__name__, _engine)
