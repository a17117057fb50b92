"""Image files as tensors: reading and writing, decoding and encoding. Pillow does it."""

from __future__ import annotations

import io
import os
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minigrad.device import on_host
from minigrad.serialize.files import atomic_write
from minigrad.tensor import Tensor, from_array
from minigrad.vision.pixels import check_pixels


class ImageReadMode(Enum):
    """The channels that an image is read with; names and numbers are torchvision's.

    Examples:
        >>> from minigrad.vision.io import ImageReadMode
        >>> ImageReadMode.RGB.value
        3
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB",
          ImageReadMode.RGB_ALPHA: "RGBA"}  # fmt: skip


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Read an image file as a uint8 tensor (C, H, W).

    Args:
        path: the file, of any format that Pillow reads.
        mode: the channels, or the name of the mode.
        apply_exif_orientation: rotate the image as the camera recorded that it was held.

    Returns:
        The tensor; for a file of 16 bits an int32 one with the same numbers, if the mode is UNCHANGED.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it is not an image.

    Examples:
        >>> from minigrad.vision.io import read_image
        >>> from minigrad.vision.utils import save_image
        >>> save_image(mg.ones(3, 4, 5), "white.png")
        >>> image = read_image("white.png")
        >>> image.shape, image.max()
        ((3, 4, 5), tensor(255, dtype=uint8))
    """
    with open(path, "rb") as file:
        return _decoded(file, f"read_image: {os.fspath(path)!r} is", mode, apply_exif_orientation)


def _decoded(file: BinaryIO, this_is: str, mode: ImageReadMode | str, apply_exif_orientation: bool) -> Tensor:
    from PIL import Image, ImageOps, UnidentifiedImageError

    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    try:
        with Image.open(file) as opened:
            check_pixels(opened)
            image: Any = ImageOps.exif_transpose(opened) if apply_exif_orientation else opened
            if mode in _MODES:
                image = image.convert(_MODES[mode])
            elif image.mode in ("P", "PA"):  # the colours themselves, not their places in the palette
                image = image.convert("RGBA" if image.has_transparency_data else "RGB")
            elif image.mode in ("1", "CMYK", "YCbCr"):
                image = image.convert("L" if image.mode == "1" else "RGB")
            pixels = np.array(image)
    except UnidentifiedImageError:
        raise RuntimeError(f"{this_is} not a picture that Pillow can read") from None
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # a decoder raises anything on damaged bytes
        raise RuntimeError(f"{this_is} a damaged picture: {error}") from None
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.int32)
    return from_array(np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)))


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """Read the bytes of a file as a uint8 tensor of one dimension.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.

    Examples:
        >>> from minigrad.vision.io import read_file, write_file
        >>> write_file("bytes", mg.tensor([1, 2, 3], dtype=mg.uint8))
        >>> read_file("bytes")
        tensor([1, 2, 3], dtype=uint8)
    """
    return from_array(np.frombuffer(bytearray(Path(path).read_bytes()), np.uint8))


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Write a uint8 tensor of one dimension to a file; it appears whole or not at all.

    Args:
        filename: the file.
        data: its bytes.

    Raises:
        ValueError: `data` has another dtype or shape.

    Examples:
        >>> mg.vision.io.write_file("bytes", mg.tensor([1, 2, 3], dtype=mg.uint8))
    """
    with atomic_write(Path(filename)) as file:
        file.write(_bytes("write_file", data))


def _bytes(owner: str, data: Tensor) -> bytes:
    if data.dtype != np.uint8 or data.ndim != 1:
        raise ValueError(f"{owner}: expected a uint8 tensor of one dimension, got {data.dtype} of shape {data.shape}")
    return on_host(data.array).tobytes()


def decode_image(
    input: Tensor | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Decode the bytes of an image file, of any format that Pillow reads, to a uint8 tensor (C, H, W).

    Args:
        input: the bytes, a uint8 tensor of one dimension; or the file's path.
        mode, apply_exif_orientation: as for `read_image`.

    Returns:
        As `read_image`.

    Raises:
        ValueError: `input` has another dtype or shape.
        RuntimeError: it is not an image.

    Examples:
        >>> from minigrad.vision.io import decode_image, encode_png
        >>> image = (mg.rand(3, 4, 5) * 255).byte()
        >>> mg.equal(decode_image(encode_png(image)), image)
        True
    """
    if not isinstance(input, Tensor):
        return read_image(input, mode, apply_exif_orientation)
    content = io.BytesIO(_bytes("decode_image", input))
    return _decoded(content, "decode_image: the bytes are", mode, apply_exif_orientation)


decode_png = decode_jpeg = decode_webp = decode_gif = decode_image


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """Encode an image in PNG's format, without loss.

    Args:
        input: a uint8 tensor (1, H, W) or (3, H, W).
        compression_level: 0 to 9; higher is smaller and slower.

    Returns:
        The file's bytes, a uint8 tensor of one dimension.

    Raises:
        ValueError: the dtype, the shape or the level does not fit.

    Examples:
        >>> mg.vision.io.encode_png(mg.zeros(1, 4, 4, dtype=mg.uint8))[1:4].tolist() == list(b"PNG")
        True
    """
    if not 0 <= compression_level <= 9:
        raise ValueError(f"encode_png: compression_level must be between 0 and 9, got {compression_level}")
    return _encoded("encode_png", input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """Encode an image in JPEG's format.

    Args:
        input: a uint8 tensor (1, H, W) or (3, H, W).
        quality: 1 to 100.

    Returns:
        The file's bytes, a uint8 tensor of one dimension.

    Raises:
        ValueError: the dtype, the shape or the quality does not fit.

    Examples:
        >>> mg.vision.io.encode_jpeg(mg.zeros(1, 4, 4, dtype=mg.uint8))[:2].tolist()
        [255, 216]
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"encode_jpeg: quality must be between 1 and 100, got {quality}")
    return _encoded("encode_jpeg", input, "JPEG", quality=quality)


def _encoded(owner: str, image: Tensor, format: str, **options: int) -> Tensor:
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"{owner}: expected a uint8 tensor (1, H, W) or (3, H, W), got {image.dtype} of shape {image.shape}"
        )
    array = on_host(image.array)
    pixels = np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format, **options)
    return from_array(np.frombuffer(bytearray(buffer.getvalue()), np.uint8))


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write an image to a PNG file.

    Args:
        input: a uint8 tensor (1, H, W) or (3, H, W).
        filename: the file.
        compression_level: as for `encode_png`.

    Raises:
        ValueError: as for `encode_png`.

    Examples:
        >>> mg.vision.io.write_png(mg.zeros(3, 4, 4, dtype=mg.uint8), "black.png")
    """
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write an image to a JPEG file.

    Args:
        input: a uint8 tensor (1, H, W) or (3, H, W).
        filename: the file.
        quality: as for `encode_jpeg`.

    Raises:
        ValueError: as for `encode_jpeg`.

    Examples:
        >>> mg.vision.io.write_jpeg(mg.zeros(3, 4, 4, dtype=mg.uint8), "black.jpg")
    """
    write_file(filename, encode_jpeg(input, quality))
