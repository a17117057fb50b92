"""Several images as one: a grid of them, and its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from minigrad.device import on_host
from minigrad.tensor import Tensor, from_array


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Lay pictures side by side, row by row, as torchvision's function of the same name.

    Args:
        tensor: pictures (N, C, H, W), a single one (C, H, W) or (H, W), or a list of pictures of one shape. A picture
            of one channel becomes one of three.
        nrow: pictures in a row.
        padding: pixels between and around the pictures.
        normalize: move the values into [0, 1]: the smallest to 0, the largest to 1.
        value_range: (low, high) to take for smallest and largest; values beyond are clipped.
        scale_each: normalise each picture by its own values.
        pad_value: the value of the pixels between.

    Returns:
        A tensor (C, rows * (H + padding) + padding, columns * (W + padding) + padding); a single picture as it is.

    Raises:
        TypeError: `tensor` is neither a tensor nor a list of tensors.
        ValueError: the pictures have another number of dimensions, or shapes that differ.

    Examples:
        >>> from minigrad.vision.utils import make_grid
        >>> make_grid(mg.zeros(10, 1, 28, 28), nrow=5).shape
        (3, 62, 152)
    """
    x = _pictures(tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(f"make_grid: value_range must be a tuple (low, high), got {value_range!r}")
        groups = list(x) if scale_each else [x]
        x = np.stack([_normalized(group, value_range) for group in groups]).reshape(x.shape)
    count, channels, height, width = x.shape
    if count == 1:
        return from_array(x[0].copy())
    columns = min(nrow, count)
    rows = -(-count // columns)
    down, across = height + padding, width + padding
    grid = np.full((channels, rows * down + padding, columns * across + padding), pad_value, x.dtype)
    for index, picture in enumerate(x):
        top, left = padding + index // columns * down, padding + index % columns * across
        grid[:, top : top + height, left : left + width] = picture
    return from_array(grid)


def save_image(
    tensor: Tensor | Sequence[Tensor], fp: str | os.PathLike[str] | BinaryIO, format: str | None = None, **kwargs: Any
) -> None:
    """Write an image, or a grid of several, to a file.

    Args:
        tensor: as for `make_grid`, with values in [0, 1].
        fp: a path, or a binary file open for writing.
        format: the file's format; None takes it from the path's suffix.
        kwargs: `make_grid`'s other arguments.

    Raises:
        TypeError: as `make_grid`.
        ValueError: as `make_grid`, or an unknown format.

    Examples:
        >>> from minigrad.vision.utils import save_image
        >>> save_image(mg.rand(16, 1, 28, 28), "grid.png", nrow=4)
    """
    from PIL import Image

    grid = make_grid(tensor, **kwargs).array
    pixels = np.clip(grid * 255.0 + 0.5, 0, 255).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(fp, format=format)


def _pictures(tensor: Any) -> np.ndarray:
    """Pictures in any of the forms that `make_grid` takes, as (N, C, H, W) with three channels or more."""
    pictures = [tensor] if isinstance(tensor, Tensor) else tensor
    if not isinstance(pictures, list | tuple) or not all(isinstance(picture, Tensor) for picture in pictures):
        raise TypeError(f"make_grid: expected a tensor or a list of tensors, got {type(tensor).__name__}")
    arrays = [on_host(picture.array) for picture in pictures]
    if not isinstance(tensor, Tensor) and len({array.shape for array in arrays}) != 1:
        raise ValueError(f"make_grid: expected pictures of one shape, got {[array.shape for array in arrays]}")
    x = arrays[0] if isinstance(tensor, Tensor) else np.stack(arrays)
    if x.ndim not in (2, 3, 4):
        raise ValueError(f"make_grid: expected pictures ([N,] C, H, W) or (H, W), got shape {x.shape}")
    x = x.reshape((1,) * (4 - x.ndim) + x.shape)
    return np.repeat(x, 3, axis=1) if x.shape[1] == 1 else x


def _normalized(x: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    low, high = (float(x.min()), float(x.max())) if value_range is None else value_range
    return (np.clip(x, low, high) - x.dtype.type(low)) / x.dtype.type(max(high - low, 1e-5))
