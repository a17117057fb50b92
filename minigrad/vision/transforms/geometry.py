"""Geometric transforms: padding, resizing, flipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.functional.geometry import check_padding_mode, check_resize, four_sides
from minigrad.vision.transforms.picture import (
    InterpolationMode,
    Transform,
    change,
    interpolation_mode,
    uniform,
    uniform_between,
)

__all__ = ["Pad", "RandomHorizontalFlip", "RandomResize", "RandomVerticalFlip", "Resize"]


class Pad(Transform):
    """Add a border around an image.

    Args:
        padding: an int for all sides, (left and right, top and bottom), or (left, top, right, bottom).
        fill: a number, or one for each channel.
        padding_mode: "constant", "edge", "reflect" or "symmetric".

    Raises:
        ValueError: the padding or the mode is unknown.

    Examples:
        >>> mg.vision.transforms.Pad(1)(mg.ones(1, 1, 2))
        tensor([[[0., 0., 0., 0.],
                 [0., 1., 1., 0.],
                 [0., 0., 0., 0.]]])
    """

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"):
        check_padding_mode("Pad", padding_mode)
        four_sides("Pad", padding)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class Resize(Transform):
    """Resize an image.

    Shrinking averages over all pixels that fall together. Pillow computes it, in float32 for anything but 8-bit
    pixels.

    Args:
        size: (height, width), or an int for the shorter side, which keeps the proportions.
        interpolation: an InterpolationMode.
        max_size: a bound for the longer side, with an int `size`.
        antialias: False samples a tensor at points instead of averaging.

    Raises:
        ValueError: a size is not positive, or `max_size` does not fit.

    Examples:
        >>> mg.vision.transforms.Resize(16)(mg.zeros(3, 32, 64)).shape
        (3, 16, 32)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        check_resize(size, max_size)
        self.size = size
        self.interpolation = interpolation_mode("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, max_size={self.max_size}, "
            f"antialias={self.antialias})"
        )


class RandomResize(Transform):
    """Resize an image so that its shorter side has a random length, keeping its proportions.

    Scale jitter (Simonyan and Zisserman 2014) is this before a `RandomCrop`. Only single images are accepted, since
    the results have different sizes.

    Args:
        min_size, max_size: the length is in min_size, ..., max_size - 1.
        interpolation, antialias: as for Resize.

    Raises:
        ValueError: the sizes are not positive and increasing.

    Examples:
        >>> image = mg.vision.transforms.RandomResize(8, 12)(mg.zeros(3, 32, 64))
        >>> 8 <= image.shape[1] < 12
        True
    """

    batched = False

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        if not 0 < min_size < max_size:
            raise ValueError(f"RandomResize: expected 0 < min_size < max_size, got {min_size} and {max_size}")
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation_mode("RandomResize", interpolation)
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        size = int(uniform_between(self.min_size, self.max_size))
        return Resize(size, self.interpolation, antialias=self.antialias)(img)

    def __repr__(self) -> str:
        return (
            f"RandomResize(min_size={self.min_size}, max_size={self.max_size}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class _RandomFlip(Transform):
    """Mirror an image along `axis`, at random."""

    axis: int

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be between 0 and 1, got {p}")
        self.p = p

    def __call__(self, img: Any) -> Any:
        return change(type(self).__name__, img, self._flip)

    def _flip(self, x: np.ndarray) -> np.ndarray:
        flipped = uniform(1 if x.ndim == 3 else len(x)) < self.p
        if x.ndim == 3:
            return np.flip(x, self.axis) if flipped[0] else x
        x = x.copy()
        x[flipped] = np.flip(x[flipped], self.axis)
        return x

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Mirror an image left to right, at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomHorizontalFlip(p=1.0)(mg.tensor([[[1, 2, 3]]]))
        tensor([[[3, 2, 1]]])
    """

    axis = -1


class RandomVerticalFlip(_RandomFlip):
    """Mirror an image upside down, at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomVerticalFlip(p=1.0)(mg.tensor([[[1], [2]]]))
        tensor([[[2],
                 [1]]])
    """

    axis = -2
