"""Transforms of pixel values: random colour, lighting, histograms and blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.random import randn, randperm
from minigrad.tensor import Tensor
from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.picture import Transform, change, one_by_one, uniform, uniform_between

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomLighting",
    "RandomPosterize",
    "RandomSolarize",
]

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
        return one_by_one(img, self._jitter)

    def _jitter(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for index in order.tolist():
            if factors[index] is not None:
                img = adjust[index](img, factors[index])
        return img

    @staticmethod
    def get_params(
        brightness: Range | None, contrast: Range | None, saturation: Range | None, hue: Range | None
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """Draw the order of the four changes, as a tensor, and their factors.

        Args:
            brightness, contrast, saturation, hue: the ranges; None for no change.
        """
        order = randperm(4)
        factors = [
            None if limits is None else uniform_between(*limits) for limits in (brightness, contrast, saturation, hue)
        ]
        return order, factors[0], factors[1], factors[2], factors[3]

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


class Grayscale(Transform):
    """Convert a colour image to a grey one.

    Args:
        num_output_channels: 1, or 3 for three equal channels.

    Raises:
        ValueError: another number of channels is asked for.

    Examples:
        >>> mg.vision.transforms.Grayscale()(mg.ones(3, 2, 2)).shape
        (1, 2, 2)
    """

    def __init__(self, num_output_channels: int = 1):
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class _Sometimes(Transform):
    """Change an image with probability `p`."""

    def __init__(self, p: float):
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be between 0 and 1, got {p}")
        self.p = p

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, lambda one: self._changed(one) if float(uniform(1)[0]) < self.p else one)

    def _changed(self, img: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items() if name != "p")
        return f"{type(self).__name__}({settings}{', ' if settings else ''}p={self.p})"


class RandomGrayscale(_Sometimes):
    """Make a colour image grey at random; the number of channels stays.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> grey = mg.vision.transforms.RandomGrayscale(p=1.0)(mg.rand(3, 2, 2))
        >>> mg.equal(grey[0], grey[2])
        True
    """

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def _changed(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, 1 if F.get_image_num_channels(img) == 1 else 3)


class RandomInvert(_Sometimes):
    """Make an image's negative at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomInvert(p=1.0)(mg.tensor([[[0.25]]]))
        tensor([[[0.7500]]])
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p)

    def _changed(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Sometimes):
    """Keep the highest bits of 8-bit pixels only, at random.

    Args:
        bits: how many.
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomPosterize(4, p=1.0)(mg.tensor([[[255]]], dtype=mg.uint8))
        tensor([[[240]]], dtype=uint8)
    """

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def _changed(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Sometimes):
    """Invert bright pixels at random.

    Args:
        threshold: from which value on.
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomSolarize(0.5, p=1.0)(mg.tensor([[[0.25, 0.75]]]))
        tensor([[[0.2500, 0.2500]]])
    """

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def _changed(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """Blur or sharpen an image at random.

    Args:
        sharpness_factor: 0 gives a blurred image, 1 the image itself, 2 a sharper one.
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomAdjustSharpness(2.0, p=1.0)(mg.ones(1, 4, 4)).max()
        tensor(1.)
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _changed(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """Stretch each channel to the whole range of values, at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomAutocontrast(p=1.0)(mg.tensor([[[0.25, 0.5, 0.75]]]))
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p)

    def _changed(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Sometimes):
    """Spread the values of 8-bit pixels evenly, at random.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is outside [0, 1].

    Examples:
        >>> mg.vision.transforms.RandomEqualize(p=1.0)((mg.rand(1, 64, 64) * 50).byte()).max().item()
        255
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p)

    def _changed(self, img: Any) -> Any:
        return F.equalize(img)


class GaussianBlur(Transform):
    """Blur an image with a normal distribution of random width.

    Args:
        kernel_size: odd, the pixels that are averaged; or (width, height).
        sigma: the range of the standard deviation, or the deviation.

    Raises:
        ValueError: a size is not odd and positive, or a deviation not positive.

    Examples:
        >>> mg.vision.transforms.GaussianBlur(3)(mg.ones(1, 4, 4)).mean()
        tensor(1.)
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)):
        sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) not in (1, 2) or not all(size > 0 and size % 2 for size in sizes):
            raise ValueError(f"GaussianBlur: kernel_size must be odd and positive, got {kernel_size}")
        low, high = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
        if not 0 < low <= high:
            raise ValueError(f"GaussianBlur: sigma must be (low, high) with 0 < low <= high, got {sigma}")
        self.kernel_size = (sizes[0], sizes[-1])
        self.sigma = (low, high)

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, lambda one: F.gaussian_blur(one, self.kernel_size, self.get_params(*self.sigma)))

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the standard deviation.

        Args:
            sigma_min, sigma_max: its range.
        """
        return uniform_between(sigma_min, sigma_max)

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"
