"""Transforms of pixel values: random colour and lighting, erasing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.random import randn, randperm
from minigrad.tensor import Tensor
from minigrad.vision.transforms.picture import (
    Transform,
    change,
    crop,
    each,
    per_channel,
    uniform,
    uniform_between,
)

# how bright red, green and blue seem (ITU-R BT.601)
LUMINANCE = np.array([0.2989, 0.587, 0.114], np.float32).reshape(3, 1, 1)

# Pillow's modes of colours other than L and RGB; it cannot convert LAB to RGB.
COLOURED_MODES = ("LA", "RGBA", "CMYK", "YCbCr", "HSV")

Range = tuple[float, float]


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Pixels are 8-bit, or floats in [0, 1], of 3 channels; with 1 channel, saturation and hue change nothing. Pillow
    images of other modes with colours (RGBA, CMYK, ...) are changed by Pillow, in their mode.

    Args:
        brightness, contrast, saturation: a factor is drawn from [max(0, 1 - x), 1 + x], or from a pair (low, high).
        hue: a shift is drawn from [-x, x] or a pair, within [-0.5, 0.5], where 1 is once around the colour wheel.

    Raises:
        ValueError: a range is negative, empty or too large.

    Examples:
        >>> image = mg.rand(3, 4, 4)
        >>> mg.equal(mg.vision.transforms.ColorJitter()(image), image)  # without arguments nothing changes
        True
    """

    def __init__(
        self,
        brightness: float | Range = 0,
        contrast: float | Range = 0,
        saturation: float | Range = 0,
        hue: float | Range = 0,
    ):
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _factors("hue", hue, center=0.0, bounds=(-0.5, 0.5))

    def __call__(self, img: Any) -> Any:
        if not isinstance(img, (Tensor, np.ndarray)) and getattr(img, "mode", "RGB") not in ("L", "RGB"):
            return self._jitter_image(img)
        return change("ColorJitter", img, lambda x: each(x, self._jitter))

    def _jitter_image(self, image: Any) -> Any:
        """A Pillow image of a mode that is neither grey nor RGB."""
        from PIL import ImageEnhance

        if image.mode not in COLOURED_MODES:
            raise ValueError(
                f"ColorJitter: pixels of mode {image.mode!r} are no colours; "
                f"expected a mode of L, RGB, {', '.join(COLOURED_MODES)}"
            )
        changes = [
            (lambda image, factor: ImageEnhance.Brightness(image).enhance(factor), self.brightness),
            (lambda image, factor: ImageEnhance.Contrast(image).enhance(factor), self.contrast),
            (lambda image, factor: ImageEnhance.Color(image).enhance(factor), self.saturation),
            (_hue_of_image, self.hue),
        ]
        for index in randperm(len(changes)).array.tolist():
            adjust, factors = changes[index]
            if factors is not None:
                image = adjust(image, uniform_between(*factors))
        return image

    def _jitter(self, x: np.ndarray) -> np.ndarray:
        if len(x) not in (1, 3) or (x.dtype != np.uint8 and x.dtype.kind != "f"):
            raise ValueError(f"ColorJitter: expected 1 or 3 channels of uint8 or floats, got {len(x)} of {x.dtype}")
        changes = [
            (_brightness, self.brightness),
            (_contrast, self.contrast),
            (_saturation, self.saturation),
            (_hue, self.hue),
        ]
        picture = x / np.float32(255) if x.dtype == np.uint8 else x
        for index in randperm(len(changes)).array.tolist():
            adjust, factors = changes[index]
            if factors is not None:
                picture = np.clip(adjust(picture, uniform_between(*factors)), 0, 1)
        return np.rint(picture * 255).astype(np.uint8) if x.dtype == np.uint8 else picture.astype(x.dtype)

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _factors(name: str, value: float | Range, center: float = 1.0, bounds: Range = (0.0, math.inf)) -> Range | None:
    """The range of an argument of ColorJitter; None where it changes nothing."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"ColorJitter: a single number for {name} must be at least 0, got {value}")
        low, high = center - value, center + value
        if name != "hue":
            low = max(low, 0.0)
    else:
        low, high = map(float, value)
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"ColorJitter: {name} must lie in {bounds}, got {value}")
    return None if low == high == center else (low, high)


def _brightness(x: np.ndarray, factor: float) -> np.ndarray:
    return x * x.dtype.type(factor)


def _contrast(x: np.ndarray, factor: float) -> np.ndarray:
    return _blend(x, _grey(x).mean(dtype=x.dtype), factor)


def _saturation(x: np.ndarray, factor: float) -> np.ndarray:
    return x if len(x) == 1 else _blend(x, _grey(x), factor)


def _hue(x: np.ndarray, shift: float) -> np.ndarray:
    """Rotate the colour wheel: to hue, saturation, value and back (Smith 1978)."""
    if len(x) == 1:
        return x
    red, green, blue = x
    value = x.max(0)
    chroma = value - x.min(0)
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )  # fmt: skip
    rotated = hue + 6 * shift
    # each primary falls from `value` to `value - chroma` and back as the hue goes round
    angle = (np.array([5, 3, 1]).reshape(3, 1, 1) + rotated) % 6
    return (value - chroma * np.clip(np.minimum(angle, 4 - angle), 0, 1)).astype(x.dtype)


def _hue_of_image(image: Any, shift: float) -> Any:
    from PIL import Image

    hue, saturation, value = image.convert("HSV").split()
    rotated = np.asarray(hue) + np.uint8(int(shift * 255) % 256)  # modulo 256, as hues are cyclic
    return Image.merge("HSV", (Image.fromarray(rotated), saturation, value)).convert(image.mode)


def _grey(x: np.ndarray) -> np.ndarray:
    return x if len(x) == 1 else (x * LUMINANCE.astype(x.dtype)).sum(0, keepdims=True)


def _blend(x: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    return x * x.dtype.type(factor) + other * x.dtype.type(1 - factor)


class RandomLighting(Transform):
    """Shift the colour at random along the directions in which the colours of photographs vary most.

    To the pixels, floats in [0, 1], is added sum_i a_i * l_i * p_i, with a_i from N(0, std^2), and l_i, p_i the
    eigenvalues and eigenvectors of the covariance of ImageNet's RGB values. Images of one channel are not changed.

    Args:
        std: the standard deviation of the shift.

    Raises:
        ValueError: `std` is negative.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012), section 4.1.

    Examples:
        >>> shifted = mg.vision.transforms.RandomLighting(0.1)(mg.full((3, 2, 2), 0.5))
        >>> len(set(shifted[0].ravel().tolist()))  # all pixels of a channel move alike
        1
    """

    # as computed for ImageNet by Gross and Wilber's ResNet in Torch (2016)
    EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
    EIGENVECTORS = np.array(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )  # a row a colour, a column an eigenvector

    def __init__(self, std: float = 0.1):
        if not std >= 0:
            raise ValueError(f"RandomLighting: std must be at least 0, got {std}")
        self.std = std

    def __call__(self, img: Any) -> Any:
        return change("RandomLighting", img, self._shift)

    def _shift(self, x: np.ndarray) -> np.ndarray:
        channels = x.shape[-3]
        if channels not in (1, 3) or x.dtype.kind != "f":
            raise ValueError(f"RandomLighting: expected 1 or 3 channels of floats, got {channels} of {x.dtype}")
        amounts = self.std * randn(*x.shape[:-3], 3, dtype=np.float64).array
        if channels == 1:
            return x
        return x + ((amounts * self.EIGENVALUES) @ self.EIGENVECTORS.T)[..., None, None].astype(x.dtype)

    def __repr__(self) -> str:
        return f"RandomLighting(std={self.std})"


class RandomErasing(Transform):
    """Overwrite a random rectangle of an image.

    Args:
        p: the probability.
        scale: the range of the rectangle's share of the area.
        ratio: the range of its height over its width. If ten tries find no rectangle that fits, nothing is erased.
        value: a number, one for each channel, or "random" for normally distributed noise.
        inplace: overwrite the image itself.

    Raises:
        ValueError: an argument is out of its range.

    Source: Zhong et al., "Random erasing data augmentation" (2017), arXiv:1708.04896.

    Examples:
        >>> erased = mg.vision.transforms.RandomErasing(p=1.0)(mg.ones(1, 32, 32))
        >>> 0 < (erased == 0).sum().item() < 32 * 32
        True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ):
        if not 0 <= p <= 1:
            raise ValueError(f"RandomErasing: p must be between 0 and 1, got {p}")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be (low, high) within 0 and 1, got {scale}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be (low, high) with 0 < low <= high, got {ratio}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f'RandomErasing: value must be numbers or "random", got {value!r}')
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    def __call__(self, img: Any) -> Any:
        erased = change("RandomErasing", img, self._erase_some)
        if self.inplace and isinstance(img, Tensor):
            img._bump_version()
        return erased

    def _erase_some(self, x: np.ndarray) -> np.ndarray:
        # the copy is made once for a batch; a Pillow image's pixels may be looked at, not written
        x = x if self.inplace and x.flags.writeable else x.copy()
        for picture in x if x.ndim == 4 else [x]:
            if float(uniform(1)[0]) < self.p:
                self._erase(picture)
        return x

    def _erase(self, picture: np.ndarray) -> None:
        channels, height, width = picture.shape
        for _ in range(10):
            area = height * width * uniform_between(*self.scale)
            ratio = math.exp(uniform_between(*map(math.log, self.ratio)))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                top, left = (uniform(2) * (height - h + 1, width - w + 1)).astype(int).tolist()
                if isinstance(self.value, str):
                    value = randn(channels, h, w).array
                else:
                    value = per_channel("RandomErasing", self.value, channels)
                crop(picture, top, left, h, w)[...] = value
                return

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
