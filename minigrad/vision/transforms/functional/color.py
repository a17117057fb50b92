"""Changes of pixel values: brightness, colour, contrast, sharpness, blur.

Pillow changes its own images. Arrays and tensors hold uint8 or floats in [0, 1], of 1 or 3 channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.vision.transforms.picture import change, is_image

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "gaussian_blur",
    "rgb_to_grayscale",
    "to_grayscale",
]

# how bright red, green and blue seem (ITU-R BT.601)
LUMINANCE = np.array([0.2989, 0.587, 0.114], np.float32).reshape(3, 1, 1)

# Pillow's modes of colours; it cannot convert LAB to RGB.
COLOURED_MODES = ("L", "RGB", "LA", "RGBA", "CMYK", "YCbCr", "HSV")


def coloured(owner: str, image: Any) -> Any:
    """The Pillow image, if its pixels are colours."""
    if image.mode not in COLOURED_MODES:
        raise ValueError(
            f"{owner}: pixels of mode {image.mode!r} are no colours; expected a mode of {', '.join(COLOURED_MODES)}"
        )
    return image


def changed_values(owner: str, img: Any, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """`change` for pixels (..., C, H, W) that are uint8, or floats in [0, 1], of 1 or 3 channels."""

    def checked(x: np.ndarray) -> np.ndarray:
        channels = x.shape[-3]
        if channels not in (1, 3) or (x.dtype != np.uint8 and x.dtype.kind != "f"):
            raise ValueError(f"{owner}: expected 1 or 3 channels of uint8 or floats, got {channels} of {x.dtype}")
        return function(x)

    return change(owner, img, checked)


def _factor(owner: str, name: str, value: float) -> None:
    if value < 0:
        raise ValueError(f"{owner}: {name} must be at least 0, got {value}")


def as_floats(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def limited(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` within the range of `dtype`'s pixels; integers are truncated, as in PyTorch."""
    return np.clip(x, 0, 255 if dtype == np.uint8 else 1).astype(dtype)


def _blend(x: np.ndarray, other: np.ndarray | float, factor: float) -> np.ndarray:
    kind = as_floats(x).dtype
    mixed = as_floats(x) * kind.type(factor) + np.asarray(other, kind) * kind.type(1 - factor)
    return limited(mixed, x.dtype)


def _grey(x: np.ndarray) -> np.ndarray:
    if x.shape[-3] == 1:
        return x
    return (as_floats(x) * LUMINANCE.astype(as_floats(x).dtype)).sum(-3, keepdims=True).astype(x.dtype)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Convert a colour image to a grey one.

    Args:
        img: the image.
        num_output_channels: 1, or 3 for three equal channels.

    Raises:
        ValueError: another number of channels is asked for.

    Examples:
        >>> mg.vision.transforms.functional.rgb_to_grayscale(mg.ones(3, 2, 2)).shape
        (1, 2, 2)
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    if is_image(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else _merged(grey)
    return changed_values("rgb_to_grayscale", img, lambda x: np.repeat(_grey(x), num_output_channels, -3))


def _merged(grey: Any) -> Any:
    from PIL import Image

    return Image.merge("RGB", [grey] * 3)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Convert a colour image to a grey one, as `rgb_to_grayscale`.

    Args:
        img: the image.
        num_output_channels: 1, or 3 for three equal channels.

    Raises:
        ValueError: another number of channels is asked for.

    Examples:
        >>> from PIL import Image
        >>> mg.vision.transforms.functional.to_grayscale(Image.new("RGB", (2, 2))).mode
        'L'
    """
    return rgb_to_grayscale(img, num_output_channels)


def _enhanced(owner: str, kind: str, image: Any, factor: float) -> Any:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(coloured(owner, image)).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Multiply an image's brightness.

    Args:
        img: the image.
        brightness_factor: 0 gives a black image, 1 the image itself.

    Raises:
        ValueError: the factor is negative, or the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.adjust_brightness(mg.tensor([[[0.25, 0.75]]]), 2.0)
        tensor([[[0.5000, 1.0000]]])
    """
    _factor("adjust_brightness", "brightness_factor", brightness_factor)
    if is_image(img):
        return _enhanced("adjust_brightness", "Brightness", img, brightness_factor)
    return changed_values("adjust_brightness", img, lambda x: _blend(x, 0.0, brightness_factor))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Multiply an image's contrast, the distances of its pixels from their mean grey.

    Args:
        img: the image.
        contrast_factor: 0 gives a grey image, 1 the image itself.

    Raises:
        ValueError: the factor is negative, or the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.adjust_contrast(mg.tensor([[[0.25, 0.75]]]), 0.5)
        tensor([[[0.3750, 0.6250]]])
    """
    _factor("adjust_contrast", "contrast_factor", contrast_factor)
    if is_image(img):
        return _enhanced("adjust_contrast", "Contrast", img, contrast_factor)

    def stretched(x: np.ndarray) -> np.ndarray:
        mean = as_floats(_grey(x)).mean((-3, -2, -1), keepdims=True)
        return _blend(x, mean, contrast_factor)

    return changed_values("adjust_contrast", img, stretched)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Multiply an image's saturation, the distances of its pixels from the grey of the same brightness.

    Args:
        img: the image; a grey one is not changed.
        saturation_factor: 0 gives a grey image, 1 the image itself.

    Raises:
        ValueError: the factor is negative, or the pixels are no colours.

    Examples:
        >>> grey = mg.vision.transforms.functional.adjust_saturation(mg.rand(3, 1, 1), 0.0)
        >>> mg.allclose(grey[0], grey[2])
        True
    """
    _factor("adjust_saturation", "saturation_factor", saturation_factor)
    if is_image(img):
        return _enhanced("adjust_saturation", "Color", img, saturation_factor)
    return changed_values(
        "adjust_saturation", img, lambda x: x if x.shape[-3] == 1 else _blend(x, _grey(x), saturation_factor)
    )


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Rotate an image's colours around the colour wheel (Smith 1978).

    Args:
        img: the image; a grey one is not changed.
        hue_factor: the part of a whole turn, within [-0.5, 0.5].

    Raises:
        ValueError: the factor is outside, or the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.adjust_hue(mg.tensor([1.0, 0.0, 0.0]).view(3, 1, 1), 0.5).ravel()
        tensor([0., 1., 1.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: hue_factor must lie in [-0.5, 0.5], got {hue_factor}")
    if is_image(img):
        return img if img.mode in ("L", "1", "I", "F") else _hue_of_image(coloured("adjust_hue", img), hue_factor)

    def rotated(x: np.ndarray) -> np.ndarray:
        if x.shape[-3] == 1:
            return x
        if x.dtype != np.uint8:
            return limited(_hue(x, hue_factor), x.dtype)
        return (_hue(x / np.float32(255), hue_factor) * np.float32(255.999)).astype(np.uint8)

    return changed_values("adjust_hue", img, rotated)


def _hue(x: np.ndarray, shift: float) -> np.ndarray:
    """To hue, saturation and value, and back."""
    red, green, blue = np.moveaxis(x, -3, 0)
    value = x.max(-3)
    chroma = value - x.min(-3)
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )  # fmt: skip
    turned = (hue + 6 * shift)[..., None, :, :]
    # each primary falls from `value` to `value - chroma` and back as the hue goes round
    angle = (np.array([5, 3, 1]).reshape(3, 1, 1) + turned) % 6
    value, chroma = value[..., None, :, :], chroma[..., None, :, :]
    return (value - chroma * np.clip(np.minimum(angle, 4 - angle), 0, 1)).astype(x.dtype)


def _hue_of_image(image: Any, shift: float) -> Any:
    from PIL import Image

    hue, saturation, value = image.convert("HSV").split()
    rotated = np.asarray(hue) + np.uint8(int(shift * 255) % 256)  # modulo 256, as hues are cyclic
    return Image.merge("HSV", (Image.fromarray(rotated), saturation, value)).convert(image.mode)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """Raise an image's values, between 0 and 1, to a power.

    Args:
        img: the image.
        gamma: the power.
        gain: a factor for the result.

    Raises:
        ValueError: `gamma` is negative, or the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.adjust_gamma(mg.tensor([[[0.5, 1.0]]]), 2.0)
        tensor([[[0.2500, 1.0000]]])
    """
    _factor("adjust_gamma", "gamma", gamma)
    if is_image(img):
        coloured("adjust_gamma", img)
        table = [int(255.999 * gain * (value / 255) ** gamma) for value in range(256)]
        rgb = img.convert("RGB")
        return rgb.point([min(value, 255) for value in table] * 3).convert(img.mode)

    def powers(x: np.ndarray) -> np.ndarray:
        if x.dtype.kind == "f":
            return limited(x.dtype.type(gain) * x ** x.dtype.type(gamma), x.dtype)
        raised = np.float32(gain) * (x / np.float32(255)) ** np.float32(gamma)
        return (np.clip(raised, 0, 1) * np.float32(255.999)).astype(np.uint8)

    return changed_values("adjust_gamma", img, powers)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Blur or sharpen an image.

    Args:
        img: the image.
        sharpness_factor: 0 gives a blurred image, 1 the image itself, 2 a sharper one.

    Raises:
        ValueError: the factor is negative, or the pixels are no colours.

    Examples:
        >>> mg.vision.transforms.functional.adjust_sharpness(mg.ones(1, 4, 4), 2.0).max()
        tensor(1.)
    """
    _factor("adjust_sharpness", "sharpness_factor", sharpness_factor)
    if is_image(img):
        return _enhanced("adjust_sharpness", "Sharpness", img, sharpness_factor)

    def sharpened(x: np.ndarray) -> np.ndarray:
        if min(x.shape[-2:]) <= 2:
            return x
        kernel = np.ones((3, 3), as_floats(x).dtype)
        kernel[1, 1] = 5
        smooth = as_floats(x).copy()
        windows = sliding_window_view(smooth, (3, 3), axis=(-2, -1))
        inner = (windows * (kernel / kernel.sum())).sum((-2, -1))
        smooth[..., 1:-1, 1:-1] = np.rint(inner) if x.dtype == np.uint8 else inner
        return _blend(x, smooth, sharpness_factor)

    return changed_values("adjust_sharpness", img, sharpened)


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """Average an image with the weights of a normal distribution; at the rim it is reflected.

    Args:
        img: the image, of any number of channels.
        kernel_size: odd, the pixels that are averaged; or (width, height).
        sigma: the standard deviation, or (horizontal, vertical); None takes 0.15 * kernel_size + 0.35.

    Raises:
        ValueError: a size is not odd and positive, or a deviation not positive.

    Examples:
        >>> blurred = mg.vision.transforms.functional.gaussian_blur(mg.eye(3).reshape(1, 3, 3), 3, 1.0)
        >>> blurred[0, 1].tolist() == blurred[0, :, 1].tolist()
        True
    """
    sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size) * (3 - len(kernel_size))
    if len(sizes) != 2 or not all(size > 0 and size % 2 for size in sizes):
        raise ValueError(f"gaussian_blur: kernel_size must be odd and positive, got {kernel_size}")
    if sigma is None:
        sigma = [0.15 * size + 0.35 for size in sizes]
    elif isinstance(sigma, (int, float)):
        sigma = [sigma, sigma]
    deviations = list(sigma) * (3 - len(sigma))
    if len(deviations) != 2 or not all(deviation > 0 for deviation in deviations):
        raise ValueError(f"gaussian_blur: sigma must be above 0, got {sigma}")

    def blurred(x: np.ndarray) -> np.ndarray:
        smooth = as_floats(x)
        for axis, size, deviation in ((-1, sizes[0], deviations[0]), (-2, sizes[1], deviations[1])):
            places = np.arange(size) - (size - 1) / 2
            weights = np.exp(-0.5 * (places / deviation) ** 2)
            widths = [(0, 0)] * x.ndim
            widths[axis] = (size // 2, size // 2)
            windows = sliding_window_view(np.pad(smooth, widths, mode="reflect"), size, axis=axis)
            smooth = windows @ (weights / weights.sum()).astype(smooth.dtype)
        return smooth if x.dtype.kind == "f" else np.rint(smooth).astype(x.dtype)

    return change("gaussian_blur", img, blurred)
