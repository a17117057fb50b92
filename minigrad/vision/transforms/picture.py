"""The types of images, and what can be done to all of them once they are arrays (..., C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from minigrad.ops.random import rand
from minigrad.tensor import Tensor, from_array

# Pillow's modes, all of whose pixels an array shows as they are: of "P" and "PA" places in a palette, of "1" bools.
MODES = (
    *("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"),
    *("LA", "PA", "La", "RGBa", "I;16", "I;16L", "I;16B", "I;16N"),
)
# What pixels of these modes are multiplied with before they are averaged: a transparent one has no colour.
PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}


class InterpolationMode(Enum):
    """How values between pixels are found; the names are torchvision's, the methods Pillow's.

    Examples:
        >>> mg.vision.transforms.InterpolationMode.BILINEAR.value
        'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    @property
    def pillow(self) -> Any:
        """The same as Pillow names it."""
        from PIL import Image

        return Image.Resampling[self.name.removesuffix("_EXACT")]


def interpolation_mode(owner: str, mode: InterpolationMode | int) -> InterpolationMode:
    """`mode`, which may also be one of Pillow's constants, such as `Image.BILINEAR`."""
    if isinstance(mode, InterpolationMode):
        return mode
    for candidate in InterpolationMode:
        if isinstance(mode, int) and candidate.pillow == mode:
            return candidate
    raise TypeError(f"{owner}: interpolation must be an InterpolationMode or Pillow's constant, got {mode!r}")


class Transform:
    """What all transforms share: `batched` says that a whole batch can be given instead of one picture."""

    batched = True


def is_image(picture: Any) -> bool:
    """Whether this is a Pillow image."""
    from PIL import Image

    return isinstance(picture, Image.Image)


def uniform(*size: int) -> np.ndarray:
    """Random numbers in [0, 1) from the default generator."""
    return rand(*size, dtype=np.float64).array


def uniform_between(low: float, high: float) -> float:
    """One random number between two."""
    return low + (high - low) * float(uniform(1)[0])


def change(owner: str, picture: Any, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """`picture` after `function`, which sees an array (C, H, W), or (N, C, H, W) for a batch.

    Errors: TypeError for what is no picture, ValueError for one of another number of dimensions.
    """
    if isinstance(picture, Tensor):
        if picture.requires_grad:
            raise RuntimeError(f"{owner}: the tensor requires a gradient, which would end here; detach() it first")
        if picture.ndim not in (2, 3, 4):
            raise ValueError(f"{owner}: expected a tensor ([N,] C, H, W), got shape {picture.shape}")
        return from_array(_change(picture.array, function))
    if isinstance(picture, np.ndarray):
        if picture.ndim not in (2, 3, 4):
            raise ValueError(f"{owner}: expected an array ([N,] H, W, C) or (H, W), got shape {picture.shape}")
        if picture.ndim == 2:
            return _change(picture, function)
        return np.moveaxis(_change(np.moveaxis(picture, -1, -3), function), -3, -1)
    from PIL import Image

    if not isinstance(picture, Image.Image):
        raise TypeError(f"{owner}: expected a Pillow image, a NumPy array or a tensor, got {type(picture).__name__}")
    return _image_like(picture, change(owner, pixels(owner, picture), function))


def resample(
    owner: str,
    picture: Any,
    interpolation: InterpolationMode,
    function: Callable[[np.ndarray, InterpolationMode], np.ndarray],
) -> Any:
    """`change` for a function that looks between pixels, in the way that Pillow does for images of each mode.

    Bits and places in a palette are not averaged, and colours are averaged in proportion to their opacity.
    """
    mode = None if isinstance(picture, (Tensor, np.ndarray)) else getattr(picture, "mode", None)
    if mode in ("1", "P"):
        interpolation = InterpolationMode.NEAREST
    if mode in PREMULTIPLIED and interpolation != InterpolationMode.NEAREST:
        return change(owner, picture.convert(PREMULTIPLIED[mode]), lambda x: function(x, interpolation)).convert(mode)
    return change(owner, picture, lambda x: function(x, interpolation))


def pixels(owner: str, image: Any) -> np.ndarray:
    """The numbers of a Pillow image, (H, W) or (H, W, C), in the machine's own byte order."""
    if image.mode not in MODES:
        raise ValueError(f"{owner}: the image's mode is {image.mode!r}; expected one of {', '.join(MODES)}")
    array = np.asarray(image)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _image_like(original: Any, array: np.ndarray) -> Any:
    """A Pillow image of the original's mode and palette with the pixels of `array`."""
    from PIL import Image

    if original.mode == "1":  # whose bytes hold eight pixels each
        image = Image.fromarray(np.ascontiguousarray(array))
    else:
        stored = np.ascontiguousarray(array, dtype=np.asarray(original).dtype)
        image = Image.frombytes(original.mode, (array.shape[1], array.shape[0]), stored.tobytes())
    if original.palette is not None:
        kind = original.palette.mode  # "RGBA" where the palette says how opaque its colours are
        image.putpalette(original.getpalette(kind), kind)
    image.info = original.info.copy()
    return image


def _change(array: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`function` of an array ([N,] C, H, W) or (H, W)."""
    if array.ndim == 2:
        return function(array[None])[0]
    if array.ndim == 4 and not len(array):  # a black picture tells what shape comes out
        return function(np.zeros((1, *array.shape[1:]), array.dtype))[:0]
    return function(array)


def each(pictures: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`function` of the picture (C, H, W), or of every one in a batch on its own."""
    if pictures.ndim == 3:
        return function(pictures)
    return np.stack([function(picture) for picture in pictures])


def one_by_one(picture: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of the picture, of any type, or of every one in a batch on its own."""
    if not isinstance(picture, (Tensor, np.ndarray)) or picture.ndim != 4:
        return function(picture)
    if not len(picture):  # a black picture tells what shape comes out
        black = np.zeros(picture.shape[1:], picture.dtype)
        return function(from_array(black) if isinstance(picture, Tensor) else black)[None][:0]
    if isinstance(picture, Tensor):
        return from_array(np.stack([function(from_array(one)).array for one in picture.array]))
    return np.stack([function(one) for one in picture])


def height_and_width(owner: str, size: int | Sequence[int]) -> tuple[int, int]:
    """A size argument, an int for a square or (height, width), as a pair."""
    pair = (size,) if isinstance(size, int) else tuple(size)
    if len(pair) not in (1, 2) or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ValueError(f"{owner}: size must be a positive int or a pair (height, width), got {size!r}")
    return pair[0], pair[-1]


def per_channel(owner: str, value: float | Sequence[float], channels: int) -> np.ndarray:
    """A number, or one for each channel, shaped (C, 1, 1) or (1, 1, 1)."""
    values = np.asarray(value, dtype=np.float64).reshape(-1, 1, 1)
    if len(values) not in (1, channels):
        raise ValueError(f"{owner}: {len(values)} values do not fit a picture of {channels} channels")
    return values


def fill_of_planes(owner: str, fill: float | Sequence[float] | None, x: np.ndarray) -> list[Any]:
    """The colour of what was outside, for each channel of pictures (..., C, H, W), as Pillow takes it."""
    channels = x.shape[-3]
    values = per_channel(owner, 0 if fill is None else fill, channels)
    kind = int if x.dtype in (np.uint8, np.uint16, np.int32) else float
    colours: list[Any] = np.broadcast_to(values, (channels, 1, 1)).reshape(-1).astype(kind).tolist()
    return colours


def moving_mode(owner: str, interpolation: InterpolationMode | int) -> InterpolationMode:
    """An interpolation for maps that move pixels."""
    mode = interpolation_mode(owner, interpolation)
    if mode.value not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError(f"{owner}: interpolation must be nearest, bilinear or bicubic, got {mode.value}")
    return mode


def crop(pictures: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    return pictures[..., top : top + height, left : left + width]


def pad(owner: str, pictures: np.ndarray, sides: Sequence[int], fill: float | Sequence[float], mode: str) -> np.ndarray:
    """Pictures with a border of (left, top, right, bottom) pixels."""
    left, top, right, bottom = sides
    if not any(sides):
        return pictures
    if mode != "constant":
        widths = [(0, 0)] * (pictures.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(pictures, widths, mode=mode)  # type: ignore[call-overload]
    *batch, channels, height, width = pictures.shape
    padded = np.empty((*batch, channels, top + height + bottom, left + width + right), pictures.dtype)
    padded[...] = per_channel(owner, fill, channels)
    crop(padded, top, left, height, width)[...] = pictures
    return padded


def by_pillow(pictures: np.ndarray, function: Callable[[Any, int], Any]) -> np.ndarray:
    """Pictures whose planes went through `function(image, channel)`, as 8, 16 or 32-bit integers or in float32."""
    from PIL import Image

    *batch, height, width = pictures.shape
    planes = pictures.reshape(-1, height, width)
    if pictures.dtype not in (np.uint8, np.uint16, np.int32):
        planes = planes.astype(np.float32, copy=False)
    channels = pictures.shape[-3]
    done = [
        np.asarray(function(Image.fromarray(np.ascontiguousarray(plane)), index % channels))
        for index, plane in enumerate(planes)
    ]
    result = np.stack(done)
    if pictures.dtype.kind in "iu" and result.dtype.kind == "f":
        result = np.rint(result)
    return result.reshape(*batch, *result.shape[1:]).astype(pictures.dtype, copy=False)


def resize(
    pictures: np.ndarray, size: tuple[int, int], interpolation: InterpolationMode, antialias: bool | None
) -> np.ndarray:
    """Pictures of `size` (height, width); without `antialias`, only the nearest pixels are looked at."""
    height, width = pictures.shape[-2:]
    if (height, width) == size:
        return pictures
    resampling = interpolation.pillow
    pillow_size = size[1], size[0]
    point_sampled = interpolation in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC) and not antialias
    if point_sampled:
        from PIL import Image

        whole = (0, 0, width, height)
        extent = Image.Transform.EXTENT
        return by_pillow(pictures, lambda image, _: image.transform(pillow_size, extent, whole, resampling))
    return by_pillow(pictures, lambda image, _: image.resize(pillow_size, resampling))
