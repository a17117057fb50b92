"""`torch.optim.lr_scheduler`: minigrad.optim.lr_scheduler, and the old name of its base class."""

from minigrad.optim import lr_scheduler as _engine
from minigrad.torch.facade import face

_LRScheduler = _engine.LRScheduler

__getattr__, __dir__ = face(__name__, _engine)
