"""Maps that move pixels: rotations, affine and perspective ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.vision.transforms import picture
from minigrad.vision.transforms.functional.convert import get_dimensions
from minigrad.vision.transforms.functional.geometry import Fill
from minigrad.vision.transforms.picture import InterpolationMode, resample

__all__ = ["affine", "perspective", "rotate"]


def _transform(
    owner: str, img: Any, method: str, data: Sequence[float], interpolation: InterpolationMode, fill: Fill
) -> Any:
    """What Pillow's `Image.transform` makes of an image, plane by plane."""
    from PIL import Image

    def moved(x: np.ndarray, how: InterpolationMode) -> np.ndarray:
        colours = picture.fill_of_planes(owner, fill, x)
        kind, size = Image.Transform[method], (x.shape[-1], x.shape[-2])
        return picture.by_pillow(
            x, lambda image, c: image.transform(size, kind, tuple(data), how.pillow, fillcolor=colours[c])
        )

    return resample(owner, img, interpolation, moved)


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Any:
    """Rotate an image counter-clockwise.

    Args:
        img: the image.
        angle: in degrees.
        interpolation: nearest, bilinear or bicubic.
        expand: enlarge the result so that all of the rotated image fits.
        center: (x, y); None means the middle.
        fill: a number for the corners, or one for each channel; None means 0.

    Raises:
        ValueError: `interpolation` or `fill` does not fit.

    Examples:
        >>> mg.vision.transforms.functional.rotate(mg.tensor([[[1, 2], [3, 4]]]), 90)
        tensor([[[2, 4],
                 [1, 3]]])
    """
    mode = picture.moving_mode("rotate", interpolation)

    def rotated(x: np.ndarray, how: InterpolationMode) -> np.ndarray:
        colours = picture.fill_of_planes("rotate", fill, x)
        return picture.by_pillow(
            x, lambda image, c: image.rotate(angle, how.pillow, expand, center, fillcolor=colours[c])
        )

    return resample("rotate", img, mode, rotated)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Shear an image, rotate it clockwise, scale it and shift it, keeping its size.

    Args:
        img: the image.
        angle: of the rotation, in degrees.
        translate: the shift in pixels, (right, down).
        scale: the factor.
        shear: the angle along x in degrees, or a pair along x and y.
        interpolation, fill: as for `rotate`.
        center: (x, y) of the point that scaling and rotation leave where it is; None means the middle.

    Raises:
        ValueError: an argument does not fit.

    Examples:
        >>> mg.vision.transforms.functional.affine(mg.tensor([[[1, 2, 3]]]), 0, [1, 0], 1.0, 0)
        tensor([[[0, 1, 2]]])
    """
    mode = picture.moving_mode("affine", interpolation)
    shears = (shear, 0.0) if isinstance(shear, (int, float)) else (*shear, 0.0)[:2]
    if len(translate) != 2 or not scale > 0:
        raise ValueError(
            f"affine: expected translate=(right, down) and scale above 0, got translate={translate}, scale={scale}"
        )
    _, height, width = get_dimensions(img)
    x, y = (width / 2, height / 2) if center is None else center
    turn, along_x, along_y = (math.radians(degrees) for degrees in (angle, *shears))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shearing = np.array([[1, 0], [-math.tan(along_y), 1]]) @ np.array([[1, -math.tan(along_x)], [0, 1]])
    # Pillow asks from where a pixel of the result comes
    inverse = np.linalg.inv(scale * rotation @ shearing)
    start = np.array([x, y]) - inverse @ (np.array([x, y]) + translate)
    data = np.column_stack([inverse, start]).ravel().tolist()
    return _transform("affine", img, "AFFINE", data, mode, fill)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Any:
    """Show an image as seen from another place: four points of it move to four others.

    Args:
        img: the image.
        startpoints: the corners [x, y] of the original: top left, top right, bottom right, bottom left.
        endpoints: where they go.
        interpolation, fill: as for `rotate`.

    Raises:
        ValueError: there are not four points each, or `interpolation` or `fill` does not fit.

    Examples:
        >>> corners = [[0, 0], [2, 0], [2, 2], [0, 2]]
        >>> moved = [[1, 0], [3, 0], [3, 2], [1, 2]]
        >>> mg.vision.transforms.functional.perspective(mg.tensor([[[1, 2, 3]]]), corners, moved)
        tensor([[[0, 1, 2]]])
    """
    mode = picture.moving_mode("perspective", interpolation)
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(f"perspective: expected four points each, got {len(startpoints)} and {len(endpoints)}")
    # (a x + b y + c) / (g x + h y + 1) for x, and (d x + e y + f) / (...) for y: two equations for each point
    rows, values = [], []
    for (x0, y0), (x1, y1) in zip(startpoints, endpoints, strict=True):
        rows.append([x1, y1, 1, 0, 0, 0, -x0 * x1, -x0 * y1])
        rows.append([0, 0, 0, x1, y1, 1, -y0 * x1, -y0 * y1])
        values += [x0, y0]
    solution, *_ = np.linalg.lstsq(np.array(rows, np.float64), np.array(values, np.float64), rcond=None)
    return _transform("perspective", img, "PERSPECTIVE", solution.tolist(), mode, fill)
