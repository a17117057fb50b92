"""`torch.nn.init`: minigrad.nn.init, and the names without an underscore."""

from minigrad.nn import init as _engine
from minigrad.torch.facade import face
from minigrad.torch.old import INIT

globals().update(INIT)

__getattr__, __dir__ = face(__name__, _engine)
