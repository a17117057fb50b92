"""Augmentation by random draws from a list of changes: TrivialAugment and RandAugment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.picture import InterpolationMode, Transform, interpolation_mode, one_by_one, uniform

__all__ = [
    "RandAugment",
    "TrivialAugmentWide",
]

Fill = float | Sequence[float] | None

# What a magnitude of 0 and one of 1 mean, and whether the sign is drawn: shears as tangents, shifts in parts of a side.
Span = tuple[float, float, bool]
WIDE: dict[str, Span] = {
    "Identity": (0, 0, False),
    "ShearX": (0, 0.99, True),
    "ShearY": (0, 0.99, True),
    "TranslateX": (0, 32, True),
    "TranslateY": (0, 32, True),
    "Rotate": (0, 135, True),
    "Brightness": (0, 0.99, True),
    "Color": (0, 0.99, True),
    "Contrast": (0, 0.99, True),
    "Sharpness": (0, 0.99, True),
    "Posterize": (8, 2, False),
    "Solarize": (1, 0, False),
    "AutoContrast": (0, 0, False),
    "Equalize": (0, 0, False),
}
NARROW: dict[str, Span] = {
    **WIDE,
    "ShearX": (0, 0.3, True),
    "ShearY": (0, 0.3, True),
    "TranslateX": (0, 150 / 331, True),
    "TranslateY": (0, 150 / 331, True),
    "Rotate": (0, 30, True),
    "Brightness": (0, 0.9, True),
    "Color": (0, 0.9, True),
    "Contrast": (0, 0.9, True),
    "Sharpness": (0, 0.9, True),
    "Posterize": (8, 4, False),
}


def _moved(
    img: Any, interpolation: InterpolationMode, fill: Fill, *,
    angle: float = 0.0, shift: tuple[float, float] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)
) -> Any:  # fmt: skip
    if angle:
        return F.rotate(img, angle, interpolation, fill=fill)
    degrees = [math.degrees(math.atan(tangent)) for tangent in shear]
    corner = [0.0, 0.0] if any(shear) else None  # a shear leaves the upper left corner where it is
    whole = [int(shift[0]), int(shift[1])]
    return F.affine(img, 0.0, whole, 1.0, degrees, interpolation, fill, corner)


def _apply(img: Any, name: str, amount: float, interpolation: InterpolationMode, fill: Fill) -> Any:
    """An image after the change `name`."""
    largest = 1.0 if getattr(getattr(img, "dtype", None), "kind", "u") == "f" else 255.0
    moves: dict[str, dict[str, Any]] = {
        "ShearX": {"shear": (amount, 0.0)},
        "ShearY": {"shear": (0.0, amount)},
        "TranslateX": {"shift": (amount, 0)},
        "TranslateY": {"shift": (0, amount)},
        "Rotate": {"angle": amount},
    }
    if name in moves:
        return _moved(img, interpolation, fill, **moves[name])
    values: dict[str, Callable[[], Any]] = {
        "Identity": lambda: img,
        "Brightness": lambda: F.adjust_brightness(img, 1 + amount),
        "Color": lambda: F.adjust_saturation(img, 1 + amount),
        "Contrast": lambda: F.adjust_contrast(img, 1 + amount),
        "Sharpness": lambda: F.adjust_sharpness(img, 1 + amount),
        "Posterize": lambda: F.posterize(img, 8 - round(8 - amount)),
        "Solarize": lambda: F.solarize(img, amount * largest),
        "AutoContrast": lambda: F.autocontrast(img),
        "Equalize": lambda: F.equalize(img),
    }
    return values[name]()


def _amount(name: str, span: Span, part: float, negative: bool, img: Any, in_parts: bool) -> float:
    """The strength of a change: `part`, between 0 and 1, of its range."""
    low, high, signed = span
    amount = low + (high - low) * part
    if in_parts and name.startswith("Translate"):
        amount *= F.get_image_size(img)[0 if name == "TranslateX" else 1]
    return -amount if signed and negative else amount


def _draw(count: int) -> int:
    return int(float(uniform(1)[0]) * count)


class TrivialAugmentWide(Transform):
    """Change an image in one way of fourteen, as strongly as chance has it.

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation: nearest, bilinear or bicubic.
        fill: a number for what comes in at the rim, or one for each channel.

    Source: Mueller and Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation" (2021).

    Examples:
        >>> image = (mg.rand(3, 16, 16) * 255).byte()
        >>> mg.vision.transforms.TrivialAugmentWide()(image).shape
        (3, 16, 16)
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Fill = None,
    ):
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_mode("TrivialAugmentWide", interpolation)
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._change)

    def _change(self, img: Any) -> Any:
        name = list(WIDE)[_draw(len(WIDE))]
        part = _draw(self.num_magnitude_bins) / max(self.num_magnitude_bins - 1, 1)
        amount = _amount(name, WIDE[name], part, bool(_draw(2)), img, in_parts=False)
        return _apply(img, name, amount, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"TrivialAugmentWide(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation.value}, fill={self.fill})"
        )


class RandAugment(Transform):
    """Change an image in several ways drawn from fourteen, all of one strength.

    Args:
        num_ops: how many changes.
        magnitude: their strength, below `num_magnitude_bins`.
        num_magnitude_bins: how many strengths there are.
        interpolation, fill: as for TrivialAugmentWide.

    Raises:
        ValueError: the strength is outside.

    Source: Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space" (2019).

    Examples:
        >>> image = (mg.rand(3, 16, 16) * 255).byte()
        >>> mg.vision.transforms.RandAugment()(image).shape
        (3, 16, 16)
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Fill = None,
    ):
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(f"RandAugment: magnitude must be between 0 and {num_magnitude_bins - 1}, got {magnitude}")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation_mode("RandAugment", interpolation)
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._change)

    def _change(self, img: Any) -> Any:
        names = list(NARROW)
        for _ in range(self.num_ops):
            name = names[_draw(len(names))]
            part = self.magnitude / max(self.num_magnitude_bins - 1, 1)
            amount = _amount(name, NARROW[name], part, bool(_draw(2)), img, in_parts=True)
            img = _apply(img, name, amount, self.interpolation, self.fill)
        return img

    def __repr__(self) -> str:
        return (
            f"RandAugment(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation.value}, fill={self.fill})"
        )
