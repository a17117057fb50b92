"""`torch.distributed`: minigrad.distributed, on MPI."""

from minigrad import distributed as _engine
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
