"""Reading image files as tensors."""

from __future__ import annotations

import os
from enum import Enum
from typing import Any

import numpy as np

from minigrad.tensor import Tensor, from_array


class ImageReadMode(Enum):
    """The channels that an image is read with; names and numbers are torchvision's.

    Examples:
        >>> from minigrad.vision.io import ImageReadMode
        >>> ImageReadMode.RGB.value
        3
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB",
          ImageReadMode.RGB_ALPHA: "RGBA"}  # fmt: skip


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Read an image file as a uint8 tensor (C, H, W).

    Args:
        path: the file, of any format that Pillow reads.
        mode: the channels, or the name of the mode.
        apply_exif_orientation: rotate the image as the camera recorded that it was held.

    Returns:
        The tensor; for a file of 16 bits an int32 one with the same numbers, if the mode is UNCHANGED.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it is not an image.

    Examples:
        >>> from minigrad.vision.io import read_image
        >>> from minigrad.vision.utils import save_image
        >>> save_image(mg.ones(3, 4, 5), "white.png")
        >>> image = read_image("white.png")
        >>> image.shape, image.max()
        ((3, 4, 5), tensor(255, dtype=uint8))
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    try:
        with Image.open(path) as opened:
            image: Any = ImageOps.exif_transpose(opened) if apply_exif_orientation else opened
            if mode in _MODES:
                image = image.convert(_MODES[mode])
            elif image.mode in ("P", "PA"):  # the colours themselves, not their places in the palette
                image = image.convert("RGBA" if image.has_transparency_data else "RGB")
            elif image.mode in ("1", "CMYK", "YCbCr"):
                image = image.convert("L" if image.mode == "1" else "RGB")
            pixels = np.array(image)
    except UnidentifiedImageError:
        raise RuntimeError(f"read_image: {os.fspath(path)!r} is not a picture that Pillow can read") from None
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.int32)
    return from_array(np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)))
