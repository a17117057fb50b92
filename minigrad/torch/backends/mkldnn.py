"""`torch.backends.mkldnn`: a library that is not used here."""

from minigrad.torch.facade import face

enabled = False


def is_available() -> bool:
    """False."""
    return False


__getattr__, __dir__ = face(__name__)
