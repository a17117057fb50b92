"""Geometric transforms: padding, cropping, resizing, flipping, rotating."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.tensor import Tensor
from minigrad.vision.transforms.picture import (
    InterpolationMode,
    Transform,
    by_pillow,
    change,
    crop,
    each,
    height_and_width,
    interpolation_mode,
    pad,
    per_channel,
    resample,
    resize,
    uniform,
    uniform_between,
)

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


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
        self.sides = four_sides("Pad", padding)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        return change("Pad", img, lambda x: pad("Pad", x, self.sides, self.fill, self.padding_mode))

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
        pair = height_and_width("Resize", size)
        self.short_side = pair[0] if isinstance(size, int) or len(size) == 1 else None
        if max_size is not None and (self.short_side is None or max_size <= self.short_side):
            raise ValueError(f"Resize: max_size={max_size} needs an int size that is smaller, got size={size}")
        self.size = size
        self.interpolation = interpolation_mode("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        antialias = self.antialias or not isinstance(img, Tensor)
        return resample(
            "Resize", img, self.interpolation, lambda x, how: resize(x, self._target(*x.shape[-2:]), how, antialias)
        )

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.short_side is None:
            return height_and_width("Resize", self.size)
        shorter, longer = min(height, width), max(height, width)
        short, long = self.short_side, int(self.short_side * longer / shorter)
        if self.max_size is not None and long > self.max_size:
            short, long = int(self.max_size * short / long), self.max_size
        return (long, short) if width <= height else (short, long)

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
        return change("CenterCrop", img, self._crop)

    def _crop(self, x: np.ndarray) -> np.ndarray:
        height, width = self.size
        missing = max(width - x.shape[-1], 0), max(height - x.shape[-2], 0)
        before = [n // 2 for n in missing]
        after = [(n + 1) // 2 for n in missing]
        x = pad("CenterCrop", x, (*before, *after), 0, "constant")
        # Python's round, which takes a half to the even side, is what torchvision uses too
        top, left = round((x.shape[-2] - height) / 2), round((x.shape[-1] - width) / 2)
        return crop(x, top, left, height, width)

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
        room = np.array(x.shape[-2:]) - self.size + 1
        if room.min() < 1:
            raise ValueError(f"RandomCrop: size {self.size} is larger than the picture's, {x.shape[-2:]}")
        count = 1 if x.ndim == 3 else len(x)
        top, left = (uniform(count, 2) * room).astype(np.int64).T
        if x.ndim == 3:
            return crop(x, int(top[0]), int(left[0]), height, width)
        windows = sliding_window_view(x, self.size, axis=(-2, -1))  # (N, C, tops, lefts, height, width)
        return windows[np.arange(count), :, top, left]

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


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
        antialias = self.antialias or not isinstance(img, Tensor)

        def part_of_each(x: np.ndarray, how: InterpolationMode) -> np.ndarray:
            return each(x, lambda x: resize(crop(x, *self._part(*x.shape[-2:])), self.size, how, antialias))

        return resample("RandomResizedCrop", img, self.interpolation, part_of_each)

    def _part(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random part."""
        for _ in range(10):
            area = height * width * uniform_between(*self.scale)
            ratio = math.exp(uniform_between(*map(math.log, self.ratio)))
            h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < w <= width and 0 < h <= height:
                top, left = (uniform(2) * (height - h + 1, width - w + 1)).astype(int).tolist()
                return top, left, h, w
        h, w = height, width
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(n, 4) for n in pair) for pair in (self.scale, self.ratio))
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomHorizontalFlip(Transform):
    """Mirror an image left to right, at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomHorizontalFlip(p=1.0)(mg.tensor([[[1, 2, 3]]]))
        tensor([[[3, 2, 1]]])
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be between 0 and 1, got {p}")
        self.p = p

    def __call__(self, img: Any) -> Any:
        return change("RandomHorizontalFlip", img, self._flip)

    def _flip(self, x: np.ndarray) -> np.ndarray:
        flipped = uniform(1 if x.ndim == 3 else len(x)) < self.p
        if x.ndim == 3:
            return x[..., ::-1] if flipped[0] else x
        x = x.copy()
        x[flipped] = x[flipped, ..., ::-1]
        return x

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomRotation(Transform):
    """Rotate an image counter-clockwise by a random angle.

    Args:
        degrees: the range (low, high), or a number for (-degrees, degrees).
        interpolation: nearest, bilinear or bicubic.
        expand: enlarge the result so that all of the rotated image fits.
        center: (x, y); None means the middle.
        fill: a number for the corners, or one for each channel.

    Raises:
        ValueError: `degrees` or `interpolation` does not fit.

    Examples:
        >>> mg.vision.transforms.RandomRotation((90, 90))(mg.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 4],
                 [1, 3]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] = 0,
    ):
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise ValueError(f"RandomRotation: a single number of degrees must be at least 0, got {degrees}")
            degrees = (-degrees, degrees)
        if len(degrees) != 2:
            raise ValueError(f"RandomRotation: degrees must be a number or a pair (low, high), got {degrees!r}")
        self.degrees = [float(angle) for angle in degrees]
        self.interpolation = interpolation_mode("RandomRotation", interpolation)
        if self.interpolation.value not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(
                f"RandomRotation: interpolation must be nearest, bilinear or bicubic, got {self.interpolation.value}"
            )
        self.expand = expand
        self.center = center
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        return resample(
            "RandomRotation", img, self.interpolation, lambda x, how: each(x, lambda one: self._rotate(one, how))
        )

    def _rotate(self, x: np.ndarray, interpolation: InterpolationMode) -> np.ndarray:
        angle = uniform_between(*self.degrees)
        fill = np.broadcast_to(per_channel("RandomRotation", self.fill, len(x)), (len(x), 1, 1)).reshape(-1)
        colours = fill.astype(int if x.dtype in (np.uint8, np.uint16, np.int32) else float).tolist()
        resampling = interpolation.pillow
        return by_pillow(
            x,
            lambda image, c: image.rotate(angle, resampling, self.expand, self.center, fillcolor=colours[c]),
        )

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )
