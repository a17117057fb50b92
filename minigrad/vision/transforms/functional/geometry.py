"""Padding, cropping, resizing, flipping and erasing.

A tensor that requires a gradient is padded, cropped and flipped by operations that pass it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.nn import functional as F
from minigrad.tensor import Tensor
from minigrad.vision.transforms import picture
from minigrad.vision.transforms.functional.convert import get_dimensions
from minigrad.vision.transforms.picture import InterpolationMode, change, height_and_width, interpolation_mode, resample

__all__ = [
    "center_crop",
    "crop",
    "erase",
    "five_crop",
    "hflip",
    "pad",
    "resize",
    "resized_crop",
    "ten_crop",
    "vflip",
]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")
PADDED = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}  # as nn.functional.pad calls them
Fill = float | Sequence[float] | None


def four_sides(owner: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a padding argument: an int, (horizontal, vertical), or all four."""
    sides = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(sides) not in (1, 2, 4) or not all(isinstance(n, int) and n >= 0 for n in sides):
        raise ValueError(f"{owner}: padding must be 1, 2 or 4 ints of at least 0, got {padding!r}")
    left, top, right, bottom = sides * (4 // len(sides))
    return left, top, right, bottom


def check_padding_mode(owner: str, mode: str) -> None:
    if mode not in PADDING_MODES:
        raise ValueError(f"{owner}: padding_mode must be one of {', '.join(PADDING_MODES)}, got {mode!r}")


def _differentiated(img: Any) -> bool:
    return isinstance(img, Tensor) and img.requires_grad


def pad(img: Any, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant") -> Any:
    """Add a border around an image.

    Args:
        img: the image.
        padding: an int for all sides, (left and right, top and bottom), or (left, top, right, bottom).
        fill: a number, or one for each channel.
        padding_mode: "constant", "edge", "reflect" or "symmetric".

    Raises:
        ValueError: the padding or the mode is unknown.

    Examples:
        >>> mg.vision.transforms.functional.pad(mg.ones(1, 1, 2), [1, 0])
        tensor([[[0., 1., 1., 0.]]])
    """
    check_padding_mode("Pad", padding_mode)
    sides = four_sides("Pad", padding)
    if _differentiated(img) and padding_mode in PADDED and isinstance(fill, (int, float)):
        left, top, right, bottom = sides
        return F.pad(
            img, (left, right, top, bottom), PADDED[padding_mode], fill if padding_mode == "constant" else None
        )
    return change("Pad", img, lambda x: picture.pad("Pad", x, sides, 0 if fill is None else fill, padding_mode))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut a rectangle out of an image; what of it lies outside is 0.

    Args:
        img: the image.
        top, left: the rectangle's first pixel.
        height, width: its size.

    Examples:
        >>> mg.vision.transforms.functional.crop(mg.arange(9).reshape(1, 3, 3), 1, 1, 2, 3)
        tensor([[[4, 5, 0],
                 [7, 8, 0]]])
    """

    _, down, across = get_dimensions(img)
    sides = max(-left, 0), max(-top, 0), max(left + width - across, 0), max(top + height - down, 0)
    top, left = max(top, 0), max(left, 0)
    if _differentiated(img):
        return (pad(img, sides) if any(sides) else img)[..., top : top + height, left : left + width]

    def part(x: np.ndarray) -> np.ndarray:
        return picture.crop(picture.pad("crop", x, sides, 0, "constant"), top, left, height, width)

    return change("crop", img, part)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """Cut the middle out of an image; a smaller image is padded with 0.

    Args:
        img: the image.
        output_size: (height, width), or an int for both.

    Raises:
        ValueError: a size is not positive.

    Examples:
        >>> mg.vision.transforms.functional.center_crop(mg.arange(16).reshape(1, 4, 4), 2)
        tensor([[[ 5,  6],
                 [ 9, 10]]])
    """
    height, width = height_and_width("CenterCrop", output_size)

    _, down, across = get_dimensions(img)
    missing = max(width - across, 0), max(height - down, 0)
    before = [n // 2 for n in missing]
    after = [(n + 1) // 2 for n in missing]
    # Python's round, which takes a half to the even side, is what torchvision uses too
    top, left = round((max(down, height) - height) / 2), round((max(across, width) - width) / 2)
    if _differentiated(img):
        return crop(pad(img, (*before, *after)) if any(missing) else img, top, left, height, width)

    def middle(x: np.ndarray) -> np.ndarray:
        return picture.crop(picture.pad("CenterCrop", x, (*before, *after), 0, "constant"), top, left, height, width)

    return change("CenterCrop", img, middle)


def check_resize(size: int | Sequence[int], max_size: int | None) -> int | None:
    """The length of the shorter side, where `size` says no more than that."""
    pair = height_and_width("Resize", size)
    short_side = pair[0] if isinstance(size, int) or len(size) == 1 else None
    if max_size is not None and (short_side is None or max_size <= short_side):
        raise ValueError(f"Resize: max_size={max_size} needs an int size that is smaller, got size={size}")
    return short_side


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize an image.

    Shrinking averages over all pixels that fall together. Pillow computes it, in float32 for anything but 8-bit
    pixels.

    Args:
        img: the image.
        size: (height, width), or an int for the shorter side, which keeps the proportions.
        interpolation: an InterpolationMode.
        max_size: a bound for the longer side, with an int `size`.
        antialias: False samples a tensor at points instead of averaging.

    Raises:
        ValueError: a size is not positive, or `max_size` does not fit.

    Examples:
        >>> mg.vision.transforms.functional.resize(mg.zeros(3, 32, 64), 16).shape
        (3, 16, 32)
    """
    short_side = check_resize(size, max_size)

    def target(height: int, width: int) -> tuple[int, int]:
        if short_side is None:
            return height_and_width("Resize", size)
        shorter, longer = min(height, width), max(height, width)
        short, long = short_side, int(short_side * longer / shorter)
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
        return (long, short) if width <= height else (short, long)

    smooth = antialias or not isinstance(img, Tensor)
    how = interpolation_mode("Resize", interpolation)
    return resample("Resize", img, how, lambda x, how: picture.resize(x, target(*x.shape[-2:]), how, smooth))


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut a rectangle out of an image, and resize it.

    Args:
        img: the image.
        top, left, height, width: as for `crop`.
        size, interpolation, antialias: as for `resize`.

    Raises:
        ValueError: a size is not positive.

    Examples:
        >>> mg.vision.transforms.functional.resized_crop(mg.zeros(3, 32, 64), 4, 4, 16, 16, [8, 8]).shape
        (3, 8, 8)
    """
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Mirror an image left to right.

    Args:
        img: the image.

    Examples:
        >>> mg.vision.transforms.functional.hflip(mg.tensor([[[1, 2, 3]]]))
        tensor([[[3, 2, 1]]])
    """
    if _differentiated(img):
        return img.flip(-1)
    return change("hflip", img, lambda x: x[..., ::-1])


def vflip(img: Any) -> Any:
    """Mirror an image upside down.

    Args:
        img: the image.

    Examples:
        >>> mg.vision.transforms.functional.vflip(mg.tensor([[[1], [2]]]))
        tensor([[[2],
                 [1]]])
    """
    if _differentiated(img):
        return img.flip(-2)
    return change("vflip", img, lambda x: x[..., ::-1, :])


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """Cut the four corners and the middle out of an image.

    Args:
        img: the image.
        size: (height, width) of the parts, or an int for both.

    Returns:
        Top left, top right, bottom left, bottom right, and the middle.

    Raises:
        ValueError: a size is not positive, or larger than the image's.

    Examples:
        >>> [part.item() for part in mg.vision.transforms.functional.five_crop(mg.arange(9).reshape(1, 3, 3), 1)]
        [0, 2, 6, 8, 4]
    """
    h, w = height_and_width("five_crop", size)
    _, height, width = get_dimensions(img)
    if h > height or w > width:
        raise ValueError(f"five_crop: size {(h, w)} is larger than the picture's, {(height, width)}")
    corners = [crop(img, top, left, h, w) for top in (0, height - h) for left in (0, width - w)]
    return corners[0], corners[1], corners[2], corners[3], center_crop(img, (h, w))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """Cut the corners and the middle out of an image and out of its mirror image.

    Args:
        img: the image.
        size: as for `five_crop`.
        vertical_flip: mirror upside down instead of left to right.

    Raises:
        ValueError: as for `five_crop`.

    Examples:
        >>> len(mg.vision.transforms.functional.ten_crop(mg.zeros(3, 8, 8), 4))
        10
    """
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Overwrite a rectangle of an image.

    Args:
        img: the image.
        i, j: the rectangle's first row and column.
        h, w: its height and width.
        v: a number, or a tensor or array that broadcasts to (C, h, w).
        inplace: overwrite the image itself.

    Examples:
        >>> mg.vision.transforms.functional.erase(mg.ones(1, 1, 4), 0, 1, 1, 2, 0)
        tensor([[[1., 0., 0., 1.]]])
    """
    value = v.array if isinstance(v, Tensor) else np.asarray(v)

    def erased(x: np.ndarray) -> np.ndarray:
        # a Pillow image's pixels may be looked at, not written
        x = x if inplace and x.flags.writeable else x.copy()
        picture.crop(x, i, j, h, w)[...] = value
        return x

    result = change("erase", img, erased)
    if inplace and isinstance(img, Tensor):
        img._bump_version()
    return result
