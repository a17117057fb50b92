"""Changes of the levels of grey: inverted, cut, stretched, equalized.

Pillow changes its own images. Arrays and tensors hold uint8 or floats in [0, 1], of 1 or 3 channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.vision.transforms.functional.color import as_floats, changed_values, coloured, limited
from minigrad.vision.transforms.picture import is_image

__all__ = ["autocontrast", "equalize", "invert", "posterize", "solarize"]


def invert(img: Any) -> Any:
    """Make an image's negative.

    Args:
        img: the image.

    Raises:
        ValueError: the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.invert(mg.tensor([[[0.25, 1.0]]]))
        tensor([[[0.7500, 0.0000]]])
    """
    if is_image(img):
        from PIL import ImageOps

        return ImageOps.invert(coloured("invert", img))
    return changed_values("invert", img, _inverted)


def _inverted(x: np.ndarray) -> np.ndarray:
    return x.dtype.type(255 if x.dtype == np.uint8 else 1) - x


def posterize(img: Any, bits: int) -> Any:
    """Keep the highest bits of 8-bit pixels only.

    Args:
        img: the image.
        bits: how many, 0 to 8.

    Raises:
        ValueError: the pixels are not of 8 bits, or `bits` is outside.

    Examples:
        >>> mg.vision.transforms.functional.posterize(mg.tensor([[[255, 17]]], dtype=mg.uint8), 4)
        tensor([[[240,  16]]], dtype=uint8)
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize: bits must be between 0 and 8, got {bits}")
    if is_image(img):
        from PIL import ImageOps

        return ImageOps.posterize(coloured("posterize", img), bits)

    def cut(x: np.ndarray) -> np.ndarray:
        if x.dtype != np.uint8:
            raise ValueError(f"posterize: expected pixels of uint8, got {x.dtype}")
        return x & np.uint8(256 - 2 ** (8 - bits))

    return changed_values("posterize", img, cut)


def solarize(img: Any, threshold: float) -> Any:
    """Invert the pixels that are bright.

    Args:
        img: the image.
        threshold: from which value on.

    Raises:
        ValueError: the pixels are no colours, or `threshold` is above the largest value.

    Examples:
        >>> mg.vision.transforms.functional.solarize(mg.tensor([[[0.25, 0.75]]]), 0.5)
        tensor([[[0.2500, 0.2500]]])
    """
    if is_image(img):
        from PIL import ImageOps

        return ImageOps.solarize(coloured("solarize", img), threshold)  # type: ignore[arg-type]  # floats compare too

    def turned(x: np.ndarray) -> np.ndarray:
        largest = 255 if x.dtype == np.uint8 else 1
        if threshold > largest:
            raise ValueError(f"solarize: threshold must be at most {largest}, got {threshold}")
        return np.where(x >= threshold, _inverted(x), x)

    return changed_values("solarize", img, turned)


def autocontrast(img: Any) -> Any:
    """Stretch each channel so that its darkest pixel is 0 and its brightest the largest value.

    Args:
        img: the image.

    Raises:
        ValueError: the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.autocontrast(mg.tensor([[[0.25, 0.5, 0.75]]]))
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    if is_image(img):
        from PIL import ImageOps

        return ImageOps.autocontrast(coloured("autocontrast", img))

    def stretched(x: np.ndarray) -> np.ndarray:
        bright = as_floats(x)
        low, high = (extreme((-2, -1), keepdims=True) for extreme in (bright.min, bright.max))
        flat = low == high
        largest = bright.dtype.type(255 if x.dtype == np.uint8 else 1)
        scale = np.where(flat, 1, largest / np.where(flat, 1, high - low))
        return limited((bright - np.where(flat, 0, low)) * scale, x.dtype)

    return changed_values("autocontrast", img, stretched)


def equalize(img: Any) -> Any:
    """Spread the values of each channel of 8-bit pixels evenly.

    Args:
        img: the image.

    Raises:
        ValueError: the pixels are not of 8 bits.

    Examples:
        >>> image = (mg.rand(1, 64, 64) * 50).byte()
        >>> mg.vision.transforms.functional.equalize(image).max().item()
        255
    """
    if is_image(img):
        from PIL import ImageOps

        return ImageOps.equalize(coloured("equalize", img))

    def spread(x: np.ndarray) -> np.ndarray:
        if x.dtype != np.uint8:
            raise ValueError(f"equalize: expected pixels of uint8, got {x.dtype}")
        planes = x.reshape(-1, *x.shape[-2:])
        return np.stack([_equalized(plane) for plane in planes]).reshape(x.shape)

    return changed_values("equalize", img, spread)


def _equalized(plane: np.ndarray) -> np.ndarray:
    counts = np.bincount(plane.ravel(), minlength=256)
    present = counts[counts > 0]
    step = present[:-1].sum() // 255
    if step == 0:
        return plane
    before = np.cumsum(counts) - counts  # pixels that are darker
    table = np.clip((before + step // 2) // step, 0, 255).astype(np.uint8)
    table[0] = 0
    return table[plane]
