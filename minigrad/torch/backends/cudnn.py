"""`torch.backends.cudnn`: switches that may be set; the convolutions are minigrad's own, and deterministic."""

from typing import Any

from minigrad.torch.facade import face

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False."""
    return False


def version() -> Any:
    """None."""
    return None


__getattr__, __dir__ = face(__name__)
