"""Conversions under the names of torchvision's second version."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.tensor import Tensor, from_array
from minigrad.vision.transforms.functional import (
    convert_image_dtype,
    get_image_num_channels,
    pil_to_tensor,
    rgb_to_grayscale,
    to_tensor,
)
from minigrad.vision.transforms.picture import Transform, is_image

__all__ = ["RGB", "Identity", "ToDtype", "ToImage"]


class ToImage(Transform):
    """Convert a Pillow image, or an array (H, W, C) or (H, W), to a tensor (C, H, W) of the same numbers.

    A tensor stays as it is.

    Examples:
        >>> from PIL import Image
        >>> mg.vision.transforms.v2.ToImage()(Image.new("L", (2, 1), 7))
        tensor([[[7, 7]]], dtype=uint8)
    """

    batched = False

    def __call__(self, img: Any) -> Tensor:
        if isinstance(img, Tensor):
            return img
        if is_image(img):
            return pil_to_tensor(img)
        if isinstance(img, np.ndarray) and img.dtype == np.uint8:  # to_tensor would scale it
            return from_array(np.array(img[None] if img.ndim == 2 else np.moveaxis(img, -1, -3), order="C"))
        return to_tensor(img)

    def __repr__(self) -> str:
        return "ToImage()"


class ToDtype(Transform):
    """Convert a tensor to another dtype.

    Args:
        dtype: the dtype.
        scale: scale the values too, as `ConvertImageDtype` does.

    Examples:
        >>> mg.vision.transforms.v2.ToDtype(mg.float32, scale=True)(mg.tensor([0, 51, 255], dtype=mg.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """

    batched = False

    def __init__(self, dtype: Any, scale: bool = False):
        self.dtype = dtype
        self.scale = scale

    def __call__(self, img: Any) -> Any:
        if not isinstance(img, Tensor):  # a Pillow image passes, as in torchvision
            return img
        return convert_image_dtype(img, self.dtype) if self.scale else img.to(self.dtype)

    def __repr__(self) -> str:
        return f"ToDtype(dtype={self.dtype}, scale={self.scale})"


class RGB(Transform):
    """Make three equal channels of a grey image; one of three stays as it is.

    Examples:
        >>> mg.vision.transforms.v2.RGB()(mg.zeros(1, 2, 2)).shape
        (3, 2, 2)
    """

    def __call__(self, img: Any) -> Any:
        if is_image(img):
            return img.convert("RGB")
        return rgb_to_grayscale(img, 3) if get_image_num_channels(img) == 1 else img

    def __repr__(self) -> str:
        return "RGB()"


class Identity(Transform):
    """Change nothing.

    Examples:
        >>> mg.vision.transforms.v2.Identity()(mg.ones(1))
        tensor([1.])
    """

    def __call__(self, img: Any) -> Any:
        return img

    def __repr__(self) -> str:
        return "Identity()"
