"""`torch.utils.data.distributed`: the sampler for several processes."""

from minigrad.data import distributed as _engine
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
