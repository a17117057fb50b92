"""`torch.backends.mps`: Apple's GPUs, which are not supported."""

from minigrad.torch.facade import face


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False


__getattr__, __dir__ = face(__name__)
