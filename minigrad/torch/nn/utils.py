"""`torch.nn.utils`: minigrad.nn.utils, and the old name of gradient clipping."""

from minigrad.nn import utils as _engine
from minigrad.torch.facade import face
from minigrad.torch.old import renamed

clip_grad_norm = renamed(_engine.clip_grad_norm_, "torch.nn.utils.clip_grad_norm")

__getattr__, __dir__ = face(__name__, _engine)
