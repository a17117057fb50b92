"""`torchvision.transforms.v2.functional`: the functions, and the names that only the second version has."""

from typing import Any

from minigrad.tensor import Tensor
from minigrad.torch.facade import face
from minigrad.vision.transforms import functional as _engine
from minigrad.vision.transforms import v2 as _v2

horizontal_flip = _engine.hflip
vertical_flip = _engine.vflip


def to_image(inpt: Any) -> Tensor:
    """`v2.ToImage`, as a function."""
    return _v2.ToImage()(inpt)


def to_dtype(inpt: Any, dtype: Any = None, scale: bool = False) -> Any:
    """`v2.ToDtype`, as a function."""
    return _v2.ToDtype("float32" if dtype is None else dtype, scale)(inpt)


__getattr__, __dir__ = face(__name__, _engine)
