"""`torch.backends`: the engine's switches for CUDA, and PyTorch's for libraries that are not used here."""

from minigrad import backends as _engine
from minigrad.torch.backends import cudnn, mkldnn, mps
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
