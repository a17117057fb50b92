"""Conversion between images and tensors, and between dtypes; normalisation; sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.device import on_host, to_device
from minigrad.tensor import Tensor, from_array
from minigrad.vision.transforms.picture import is_image, pixels

__all__ = [
    "convert_image_dtype",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "normalize",
    "pil_to_tensor",
    "to_pil_image",
    "to_tensor",
]

# The dtypes that tensors lack, and those that hold all their numbers.
LARGER: dict[np.dtype, np.dtype] = {np.dtype(np.uint16): np.dtype(np.int32), np.dtype(np.uint32): np.dtype(np.int64)}

# Pillow's modes for a number of channels; the first is taken if none is asked for.
MODES_OF = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
MODES_OF_ONE = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}


def to_tensor(pic: Any) -> Tensor:
    """Convert a Pillow image or an array ([N,] H, W, C) or (H, W) to a tensor ([N,] C, H, W).

    8-bit pixels become floats of the default dtype in [0, 1]; other numbers keep dtype and range. A dtype that
    minigrad lacks becomes the next larger one that holds the same numbers: 16-bit pixels, of Pillow's mode I;16 too,
    become int32, uint32 becomes int64.

    Args:
        pic: the image.

    Raises:
        TypeError: `pic` is neither, or its numbers are none of a tensor's.
        ValueError: the array has another number of dimensions.

    Examples:
        >>> import numpy as np
        >>> mg.vision.transforms.functional.to_tensor(np.array([[0, 51], [102, 255]], np.uint8))
        tensor([[[0.0000, 0.2000],
                 [0.4000, 1.0000]]])
    """
    if isinstance(pic, np.ndarray):
        array = pic
    elif is_image(pic):
        array = pixels("ToTensor", pic)
        if pic.mode == "1":
            array = array * np.uint8(255)
    else:
        raise TypeError(f"ToTensor: expected a Pillow image or a NumPy array, got {type(pic).__name__}")
    planes = _planes("ToTensor", array)
    if array.dtype == np.uint8:
        default = dtypes.get_default_dtype()
        return from_array(np.true_divide(planes, default.type(255), dtype=default, order="C"))
    return from_array(planes.copy(order="C"))


def pil_to_tensor(pic: Any) -> Tensor:
    """Convert a Pillow image to a tensor (C, H, W) of the same numbers.

    Args:
        pic: the image; its 16-bit numbers become int32.

    Raises:
        TypeError: `pic` is no Pillow image.
        ValueError: the image's mode is unknown.

    Examples:
        >>> from PIL import Image
        >>> mg.vision.transforms.functional.pil_to_tensor(Image.new("L", (2, 1), 7))
        tensor([[[7, 7]]], dtype=uint8)
    """
    if not is_image(pic):
        raise TypeError(f"pil_to_tensor: expected a Pillow image, got {type(pic).__name__}")
    return from_array(_planes("pil_to_tensor", pixels("pil_to_tensor", pic)).copy(order="C"))


def _planes(owner: str, array: np.ndarray) -> np.ndarray:
    """An array ([N,] H, W, C) or (H, W) as ([N,] C, H, W), in a dtype that tensors have."""
    native = array.dtype.newbyteorder("=")
    array = array.astype(LARGER.get(native, native), copy=False)
    if array.dtype not in dtypes.SUPPORTED:
        raise TypeError(f"{owner}: expected numbers that a tensor can hold, got {array.dtype}")
    if array.ndim not in (2, 3, 4):
        raise ValueError(f"{owner}: expected an array ([N,] H, W, C) or (H, W), got shape {array.shape}")
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, -3)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Convert a tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), to a Pillow image.

    Floats of a tensor are taken to lie in [0, 1] and become 8-bit pixels, unless `mode` is "F".

    Args:
        pic: the tensor or array, of 1 to 4 channels.
        mode: Pillow's name of what the numbers mean; None takes L, LA, RGB or RGBA by the number of channels, and for
            one channel of other dtypes than uint8 "I;16", "I" or "F".

    Raises:
        TypeError: `pic` is neither tensor nor array, or its dtype does not fit.
        ValueError: the shape or the mode does not fit.

    Examples:
        >>> mg.vision.transforms.functional.to_pil_image(mg.ones(3, 4, 5)).getpixel((0, 0))
        (255, 255, 255)
    """
    from PIL import Image

    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"to_pil_image: expected a tensor or a NumPy array, got {type(pic).__name__}")
    if pic.ndim not in (2, 3):
        layout = "(C, H, W)" if isinstance(pic, Tensor) else "(H, W, C)"
        raise ValueError(f"to_pil_image: expected shape {layout} or (H, W), got {tuple(pic.shape)}")
    if isinstance(pic, Tensor):
        array = on_host(pic.array)
        array = array[:, :, None] if array.ndim == 2 else array.transpose(1, 2, 0)
        if array.dtype.kind == "f" and mode != "F":
            array = (array * array.dtype.type(255)).astype(np.uint8)
    else:
        array = pic[:, :, None] if pic.ndim == 2 else pic
    channels = array.shape[-1]
    if channels == 1:
        array = array[:, :, 0]
        fitting: tuple[str, ...] = tuple(MODES_OF_ONE[name] for name in [array.dtype.name] if name in MODES_OF_ONE)
        if not fitting:
            raise TypeError(f"to_pil_image: expected one of {', '.join(MODES_OF_ONE)}, got {array.dtype}")
    elif channels not in MODES_OF:
        raise ValueError(f"to_pil_image: expected 1 to 4 channels, got {channels}")
    else:
        fitting = MODES_OF[channels]
        if array.dtype != np.uint8:
            raise TypeError(f"to_pil_image: {channels} channels must be of uint8, got {array.dtype}")
    if mode is not None and mode not in fitting:
        raise ValueError(f"to_pil_image: mode {mode!r} does not fit; expected {' or '.join(fitting)}")
    array = np.ascontiguousarray(array)
    return Image.frombytes(mode or fitting[0], (array.shape[1], array.shape[0]), array.tobytes())


def convert_image_dtype(image: Tensor, dtype: Any = np.float32) -> Tensor:
    """Convert a tensor to another dtype and scale its values: floats lie in [0, 1], integers between 0 and the largest.

    Args:
        image: a tensor of any shape.
        dtype: the dtype.

    Raises:
        TypeError: `image` is no tensor.
        RuntimeError: floats have too few digits for `dtype`'s integers.

    Examples:
        >>> mg.vision.transforms.functional.convert_image_dtype(mg.tensor([0, 51, 255], dtype=mg.uint8), mg.float32)
        tensor([0.0000, 0.2000, 1.0000])
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"convert_image_dtype: expected a tensor, got {type(image).__name__}")
    before, after = np.dtype(image.dtype), np.dtype(dtype)
    if before == after:
        return image
    if before.kind == "f":
        if after.kind == "f":
            return image.to(dtype)
        largest = np.iinfo(after).max
        if 2 ** (np.finfo(before).nmant + 1) <= largest:
            raise RuntimeError(f"convert_image_dtype: {before} has too few digits for {after}")
        return (image * (largest + 1 - 1e-3)).to(dtype)
    largest = np.iinfo(before).max
    if after.kind == "f":
        return image.to(dtype) / largest
    wanted = np.iinfo(after).max
    if largest > wanted:
        return (image // ((largest + 1) // (wanted + 1))).to(dtype)
    return image.to(dtype) * ((wanted + 1) // (largest + 1))


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """Subtract a mean and divide by a standard deviation, channel by channel; gradients flow through.

    Args:
        tensor: a tensor ([N,] C, H, W) or an array ([N,] H, W, C) of floats.
        mean, std: one number for each channel.
        inplace: overwrite the image.

    Raises:
        TypeError: the image is neither tensor nor array, or not of floats.
        ValueError: `std` holds 0, or the channels do not fit.

    Examples:
        >>> mg.vision.transforms.functional.normalize(mg.tensor([[[0.5, 1.0]]]), [0.5], [0.25])
        tensor([[[0., 2.]]])
    """
    if not isinstance(tensor, (Tensor, np.ndarray)):
        raise TypeError(f"Normalize: expected a tensor or array, got {type(tensor).__name__}; put ToTensor before it")
    if tensor.dtype.kind != "f":
        raise TypeError(f"Normalize: expected floats, got {tensor.dtype}; put ToTensor before it")
    is_tensor = isinstance(tensor, Tensor)
    if tensor.ndim not in (3, 4):
        layout = "([N,] C, H, W)" if is_tensor else "([N,] H, W, C)"
        raise ValueError(f"Normalize: expected shape {layout}, got {tensor.shape}")
    channels = tensor.shape[-3] if is_tensor else tensor.shape[-1]
    means, stds = (np.asarray(values, tensor.dtype).reshape(-1, 1, 1) for values in (mean, std))
    if not np.all(stds):
        raise ValueError(f"Normalize: std must not hold 0, got {std}")
    if len(means) not in (1, channels) or len(stds) not in (1, channels):
        raise ValueError(
            f"Normalize: mean of {len(means)} and std of {len(stds)} values do not fit {channels} channels"
        )
    if isinstance(tensor, np.ndarray):
        out = np.subtract(tensor, means.reshape(-1), out=tensor if inplace else None)
        return np.divide(out, stds.reshape(-1), out=out)
    shift, scale = (from_array(to_device(values, tensor.device)) for values in (means, stds))
    return tensor.sub_(shift).div_(scale) if inplace else (tensor - shift) / scale


def get_dimensions(img: Any) -> list[int]:
    """Return [channels, height, width] of an image.

    Args:
        img: the image.

    Raises:
        TypeError: `img` is no image.

    Examples:
        >>> mg.vision.transforms.functional.get_dimensions(mg.zeros(3, 4, 5))
        [3, 4, 5]
    """
    if isinstance(img, Tensor):
        return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]
    if isinstance(img, np.ndarray):
        return [1, *img.shape] if img.ndim == 2 else [img.shape[-1], *img.shape[-3:-1]]
    if not is_image(img):
        raise TypeError(f"get_dimensions: expected a Pillow image, a NumPy array or a tensor, got {type(img).__name__}")
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """Return [width, height] of an image.

    Args:
        img: the image.

    Examples:
        >>> mg.vision.transforms.functional.get_image_size(mg.zeros(3, 4, 5))
        [5, 4]
    """
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Return the number of an image's channels.

    Args:
        img: the image.

    Examples:
        >>> mg.vision.transforms.functional.get_image_num_channels(mg.zeros(3, 4, 5))
        3
    """
    return get_dimensions(img)[0]
