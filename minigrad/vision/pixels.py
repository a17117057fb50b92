"""How large a picture may be."""

from __future__ import annotations

from typing import Any


def check_pixels(image: Any) -> None:
    """RuntimeError for a picture of more pixels than Pillow thinks safe: there it warns, and refuses twice as many.

    `PIL.Image.MAX_IMAGE_PIXELS = None` lifts the limit.
    """
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise RuntimeError(f"{image.width} x {image.height} pixels are more than PIL.Image.MAX_IMAGE_PIXELS allows")
