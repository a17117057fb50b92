"""Conversion between images and tensors, and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.tensor import Tensor
from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.picture import Transform

__all__ = [
    "ConvertImageDtype",
    "Normalize",
    "PILToTensor",
    "ToPILImage",
    "ToTensor",
]


class ToTensor(Transform):
    """Convert a Pillow image or an array ([N,] H, W, C) or (H, W) to a tensor ([N,] C, H, W).

    8-bit pixels become floats of the default dtype in [0, 1]; other numbers keep dtype and range. A dtype that
    minigrad lacks becomes the next larger one that holds the same numbers: 16-bit pixels, of Pillow's mode I;16 too,
    become int32, uint32 becomes int64.

    Examples:
        >>> import numpy as np
        >>> mg.vision.transforms.ToTensor()(np.array([[0, 51], [102, 255]], np.uint8))
        tensor([[[0.0000, 0.2000],
                 [0.4000, 1.0000]]])
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor(Transform):
    """Convert a Pillow image to a tensor (C, H, W) of the same numbers.

    Examples:
        >>> from PIL import Image
        >>> mg.vision.transforms.PILToTensor()(Image.new("L", (2, 1), 7))
        tensor([[[7, 7]]], dtype=uint8)
    """

    batched = False

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage(Transform):
    """Convert a tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), to a Pillow image.

    Floats of a tensor are taken to lie in [0, 1] and become 8-bit pixels, unless `mode` is "F".

    Args:
        mode: Pillow's name of what the numbers mean; None takes one that fits channels and dtype.

    Examples:
        >>> mg.vision.transforms.ToPILImage()(mg.ones(3, 4, 5)).size
        (5, 4)
    """

    batched = False

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Transform):
    """Convert a tensor to another dtype, scaling its values: floats lie in [0, 1], integers up to the largest.

    Args:
        dtype: the dtype.

    Examples:
        >>> mg.vision.transforms.ConvertImageDtype(mg.float32)(mg.tensor([0, 51, 255], dtype=mg.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """

    batched = False

    def __init__(self, dtype: Any):
        self.dtype = dtype

    def __call__(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return f"ConvertImageDtype(dtype={self.dtype})"


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation, channel by channel; gradients flow through.

    The image is a tensor ([N,] C, H, W) or an array ([N,] H, W, C) of floats.

    Args:
        mean, std: one number for each channel.
        inplace: overwrite the image.

    Raises:
        ValueError: `std` holds 0; in a call, the channels do not fit.

    Examples:
        >>> mg.vision.transforms.Normalize([0.5], [0.25])(mg.tensor([[[0.5, 1.0]]]))
        tensor([[[0., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        if not np.all(np.asarray(std)):
            raise ValueError(f"Normalize: std must not hold 0, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: Any) -> Any:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
