"""`torchvision` for programs written for PyTorch: minigrad.vision under its names."""

from minigrad import vision as _engine
from minigrad.torch.facade import face
from minigrad.torchvision import datasets, io, models, transforms, utils

__version__ = "0.28.0"


def set_image_backend(backend: str) -> None:
    """Taken: Pillow reads the pictures."""


def get_image_backend() -> str:
    """Pillow."""
    return "PIL"


__getattr__, __dir__ = face(__name__, _engine)
