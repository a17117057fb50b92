"""Transforms that rotate, shear and tilt an image at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.picture import (
    InterpolationMode,
    Transform,
    moving_mode,
    one_by_one,
    uniform,
    uniform_between,
)

__all__ = [
    "RandomAffine",
    "RandomPerspective",
    "RandomRotation",
]


def _angles(owner: str, name: str, value: float | Sequence[float]) -> list[float]:
    """A range (low, high) of degrees; a number is half the width of one around 0."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{owner}: a single number of {name} must be at least 0, got {value}")
        value = (-value, value)
    if len(value) != 2:
        raise ValueError(f"{owner}: {name} must be a number or a pair (low, high), got {value!r}")
    return [float(angle) for angle in value]


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
        self.degrees = _angles("RandomRotation", "degrees", degrees)
        self.interpolation = moving_mode("RandomRotation", interpolation)
        self.expand = expand
        self.center = center
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._rotate)

    def _rotate(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw an angle.

        Args:
            degrees: the range (low, high).
        """
        return uniform_between(degrees[0], degrees[1])

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Transform):
    """Shear, rotate, scale and shift an image at random, keeping its size.

    Args:
        degrees: the range (low, high) of the angle, or a number for (-degrees, degrees).
        translate: the largest shifts, as parts of width and height.
        scale: the range of the factor.
        shear: a number x or a range (low, high) of the angle along x, or four numbers, the ranges along x and y.
        interpolation: nearest, bilinear or bicubic.
        fill: a number for what comes in at the rim, or one for each channel.
        center: (x, y) of the point that stays; None means the middle.

    Raises:
        ValueError: an argument is out of its range.

    Examples:
        >>> mg.vision.transforms.RandomAffine(10, translate=(0.1, 0.1))(mg.zeros(1, 28, 28)).shape
        (1, 28, 28)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: float | Sequence[float] = 0,
        center: Sequence[float] | None = None,
    ):
        self.degrees = _angles("RandomAffine", "degrees", degrees)
        if translate is not None and not (len(translate) == 2 and all(0 <= part <= 1 for part in translate)):
            raise ValueError(f"RandomAffine: translate must be a pair of numbers between 0 and 1, got {translate}")
        if scale is not None and not (len(scale) == 2 and all(factor > 0 for factor in scale)):
            raise ValueError(f"RandomAffine: scale must be a pair of numbers above 0, got {scale}")
        self.translate = translate
        self.scale = scale
        four = isinstance(shear, Sequence) and len(shear) == 4
        self.shear = list(shear) if four else None if shear is None else _angles("RandomAffine", "shear", shear)  # type: ignore[arg-type]
        self.interpolation = moving_mode("RandomAffine", interpolation)
        self.fill = fill
        self.center = center

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._move)

    def _move(self, img: Any) -> Any:
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, F.get_image_size(img))
        return F.affine(img, *params, interpolation=self.interpolation, fill=self.fill, center=self.center)

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw the angle, the shift, the factor and the shears.

        Args:
            degrees, translate, scale_ranges, shears: the ranges, as for the class.
            img_size: the image's [width, height].
        """
        angle = uniform_between(degrees[0], degrees[1])
        shift = [0, 0]
        if translate is not None:
            furthest = [part * side for part, side in zip(translate, img_size, strict=True)]
            shift = [round(uniform_between(-limit, limit)) for limit in furthest]
        scale = 1.0 if scale_ranges is None else uniform_between(scale_ranges[0], scale_ranges[1])
        along_x = along_y = 0.0
        if shears is not None:
            along_x = uniform_between(shears[0], shears[1])
            along_y = uniform_between(shears[2], shears[3]) if len(shears) == 4 else 0.0
        return angle, (shift[0], shift[1]), scale, (along_x, along_y)

    def __repr__(self) -> str:
        shown = {"degrees": self.degrees, "translate": self.translate, "scale": self.scale, "shear": self.shear}
        return f"RandomAffine({', '.join(f'{name}={value}' for name, value in shown.items() if value is not None)})"


class RandomPerspective(Transform):
    """Show an image as seen from a random place.

    Args:
        distortion_scale: how far the corners move at most, from 0 to 1 (half of the image's sides).
        p: the probability.
        interpolation: nearest, bilinear or bicubic.
        fill: a number for what comes in at the rim, or one for each channel.

    Raises:
        ValueError: an argument is out of its range.

    Examples:
        >>> mg.vision.transforms.RandomPerspective(p=1.0)(mg.zeros(1, 28, 28)).shape
        (1, 28, 28)
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] = 0,
    ):
        if not 0 <= p <= 1 or not 0 <= distortion_scale <= 1:
            raise ValueError(
                "RandomPerspective: p and distortion_scale must be between 0 and 1, "
                f"got p={p}, distortion_scale={distortion_scale}"
            )
        self.distortion_scale = distortion_scale
        self.p = p
        self.interpolation = moving_mode("RandomPerspective", interpolation)
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        return one_by_one(img, self._tilt)

    def _tilt(self, img: Any) -> Any:
        if float(uniform(1)[0]) >= self.p:
            return img
        width, height = F.get_image_size(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, self.fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """Draw where the corners go: their old and new places [x, y], from the top left one clockwise.

        Args:
            width, height: the image's size.
            distortion_scale: as for the class.
        """
        across, down = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        inwards = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
        moves = (uniform(4, 2) * (across + 1, down + 1)).astype(int).tolist()
        moved = [
            [x + sign_x * dx, y + sign_y * dy]
            for (x, y), (sign_x, sign_y), (dx, dy) in zip(corners, inwards, moves, strict=True)
        ]
        return corners, moved

    def __repr__(self) -> str:
        return f"RandomPerspective(p={self.p})"
