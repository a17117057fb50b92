"""`torch.utils`: data sets and loaders, checkpointing."""

from minigrad.torch.facade import face
from minigrad.torch.utils import checkpoint, data

__getattr__, __dir__ = face(__name__)
