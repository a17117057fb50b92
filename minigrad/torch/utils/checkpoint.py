"""`torch.utils.checkpoint`: gradient checkpointing."""

from minigrad.autograd.checkpoint import checkpoint
from minigrad.torch.facade import face

__all__ = ["checkpoint"]
__getattr__, __dir__ = face(__name__)
