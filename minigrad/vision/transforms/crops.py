"""Crops: of the centre, at random places, of the corners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.functional.geometry import check_padding_mode, four_sides
from minigrad.vision.transforms.picture import (
    InterpolationMode,
    Transform,
    change,
    crop,
    height_and_width,
    interpolation_mode,
    is_image,
    one_by_one,
    pad,
    uniform,
    uniform_between,
)

__all__ = ["CenterCrop", "FiveCrop", "RandomCrop", "RandomResizedCrop", "TenCrop"]


class CenterCrop(Transform):
    """Cut the middle out of an image; a smaller image is padded with 0.

    Args:
        size: (height, width), or an int for both.

    Raises:
        ValueError: a size is not positive.

    Examples:
        >>> mg.vision.transforms.CenterCrop(2)(mg.arange(16).reshape(1, 4, 4))
        tensor([[[ 5,  6],
                 [ 9, 10]]])
    """

    def __init__(self, size: int | Sequence[int]):
        self.size = height_and_width("CenterCrop", size)

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop(Transform):
    """Cut a random part out of an image, after padding it.

    Args:
        size: (height, width), or an int for both.
        padding: as for Pad, or None.
        pad_if_needed: pad an image that is smaller than `size`.
        fill, padding_mode: as for Pad.

    Raises:
        ValueError: an argument does not fit; in a call, the image is too small.

    Examples:
        >>> mg.vision.transforms.RandomCrop(28, padding=2)(mg.zeros(1, 28, 28)).shape
        (1, 28, 28)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ):
        check_padding_mode("RandomCrop", padding_mode)
        self.size = height_and_width("RandomCrop", size)
        self.sides = four_sides("RandomCrop", 0 if padding is None else padding)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        return change("RandomCrop", img, self._crop)

    def _crop(self, x: np.ndarray) -> np.ndarray:
        height, width = self.size
        x = pad("RandomCrop", x, self.sides, self.fill, self.padding_mode)
        if self.pad_if_needed:
            missing = max(width - x.shape[-1], 0), max(height - x.shape[-2], 0)
            x = pad("RandomCrop", x, missing * 2, self.fill, self.padding_mode)
        if x.ndim == 3:
            return crop(x, *self.get_params(x, self.size))
        top, left = _corners(x.shape[-2:], self.size, len(x)).T
        windows = sliding_window_view(x, self.size, axis=(-2, -1))  # (N, C, tops, lefts, height, width)
        return windows[np.arange(len(x)), :, top, left]

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw the rectangle (top, left, height, width) for an image.

        Args:
            img: the image; of an array the last two dimensions count.
            output_size: the rectangle's (height, width).

        Raises:
            ValueError: the image is smaller.
        """
        top, left = _corners(_size_of(img), output_size, 1)[0].tolist()
        return top, left, *output_size

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


def _size_of(img: Any) -> tuple[int, int]:
    """(height, width) of a Pillow image, or of an array or tensor (..., H, W)."""
    return (img.height, img.width) if is_image(img) else (img.shape[-2], img.shape[-1])


def _corners(size: tuple[int, int], part: tuple[int, int], count: int) -> np.ndarray:
    """Random (top, left) of parts of an image."""
    room = np.array(size) - part + 1
    if room.min() < 1:
        raise ValueError(f"RandomCrop: size {part} is larger than the picture's, {size}")
    return (uniform(count, 2) * room).astype(np.int64)


class RandomResizedCrop(Transform):
    """Cut a random part out of an image and resize it, as Inception was trained (Szegedy et al. 2015).

    Args:
        size: (height, width) of the result, or an int for both.
        scale: the range of the part's share of the area, uniformly distributed.
        ratio: the range of its width over its height, whose logarithm is uniformly distributed. If ten tries find no
            part that fits, the middle is taken.
        interpolation, antialias: as for Resize.

    Raises:
        ValueError: a range is not (low, high) with 0 < low <= high.

    Examples:
        >>> mg.vision.transforms.RandomResizedCrop(24)(mg.zeros(3, 32, 32)).shape
        (3, 24, 24)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        self.size = height_and_width("RandomResizedCrop", size)
        for name, (low, high) in (("scale", scale), ("ratio", ratio)):
            if not 0 < low <= high:
                raise ValueError(
                    f"RandomResizedCrop: {name} must be (low, high) with 0 < low <= high, got {(low, high)}"
                )
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation_mode("RandomResizedCrop", interpolation)
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._part)

    def _part(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        part = self.get_params(np.empty((height, width)), self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw the rectangle (top, left, height, width) for an image.

        Args:
            img: the image; of an array the last two dimensions count.
            scale, ratio: as for the class.
        """
        height, width = _size_of(img)
        for _ in range(10):
            area = height * width * uniform_between(*scale)
            shape = math.exp(uniform_between(*map(math.log, ratio)))
            h, w = round(math.sqrt(area / shape)), round(math.sqrt(area * shape))
            if 0 < w <= width and 0 < h <= height:
                top, left = (uniform(2) * (height - h + 1, width - w + 1)).astype(int).tolist()
                return top, left, h, w
        h, w = height, width
        if width / height < ratio[0]:
            h = round(width / ratio[0])
        elif width / height > ratio[1]:
            w = round(height * ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(n, 4) for n in pair) for pair in (self.scale, self.ratio))
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(Transform):
    """Cut the four corners and the middle out of an image: a tuple of five.

    Args:
        size: (height, width), or an int for both.

    Raises:
        ValueError: a size is not positive; in a call, the image is smaller.

    Examples:
        >>> [part.item() for part in mg.vision.transforms.FiveCrop(1)(mg.arange(9).reshape(1, 3, 3))]
        [0, 2, 6, 8, 4]
    """

    batched = False

    def __init__(self, size: int | Sequence[int]):
        self.size = height_and_width("FiveCrop", size)

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"FiveCrop(size={self.size})"


class TenCrop(Transform):
    """Cut the corners and the middle out of an image and out of its mirror image: a tuple of ten.

    Args:
        size: (height, width), or an int for both.
        vertical_flip: mirror upside down instead of left to right.

    Raises:
        ValueError: a size is not positive; in a call, the image is smaller.

    Examples:
        >>> len(mg.vision.transforms.TenCrop(4)(mg.zeros(3, 8, 8)))
        10
    """

    batched = False

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False):
        self.size = height_and_width("TenCrop", size)
        self.vertical_flip = vertical_flip

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"
