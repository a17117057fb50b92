"""Conversion to tensors, normalisation, and composition of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.device import to_device
from minigrad.tensor import Tensor, from_array
from minigrad.vision.transforms.picture import Transform, pixels

# The dtypes that tensors lack, and those that hold all their numbers.
LARGER: dict[np.dtype, np.dtype] = {np.dtype(np.uint16): np.dtype(np.int32), np.dtype(np.uint32): np.dtype(np.int64)}


class Compose(Transform):
    """Apply one transform after another.

    Args:
        transforms: functions of an image.

    Examples:
        >>> from minigrad.vision import transforms
        >>> prepare = transforms.Compose([transforms.CenterCrop(2), transforms.Normalize([0.5], [0.5])])
        >>> prepare(mg.ones(1, 4, 4))
        tensor([[[1., 1.],
                 [1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = transforms

    @property
    def batched(self) -> bool:  # type: ignore[override]
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join("\n" + repr(transform) for transform in self.transforms).replace("\n", "\n    ")
        return f"Compose({lines}\n)"


class Lambda(Transform):
    """Use any function as a transform.

    Args:
        lambd: the function.

    Raises:
        TypeError: it is not callable.

    Examples:
        >>> mg.vision.transforms.Lambda(lambda image: 1 - image)(mg.tensor([[[0.25]]]))
        tensor([[[0.7500]]])
    """

    batched = False

    def __init__(self, lambd: Callable[[Any], Any]):
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class ToTensor(Transform):
    """Convert a Pillow image or an array ([N,] H, W, C) or (H, W) to a tensor ([N,] C, H, W).

    8-bit pixels become floats of the default dtype in [0, 1]; other numbers keep dtype and range. A dtype that
    minigrad lacks becomes the next larger one that holds the same numbers: 16-bit pixels, of Pillow's mode I;16 too,
    become int32, uint32 becomes int64.

    Examples:
        >>> import numpy as np
        >>> mg.vision.transforms.ToTensor()(np.array([[0, 51], [102, 255]], np.uint8))
        tensor([[[0.0000, 0.2000],
                 [0.4000, 1.0000]]])
    """

    def __call__(self, pic: Any) -> Tensor:
        if isinstance(pic, np.ndarray):
            array = pic
        else:
            from PIL import Image

            if not isinstance(pic, Image.Image):
                raise TypeError(f"ToTensor: expected a Pillow image or a NumPy array, got {type(pic).__name__}")
            array = pixels("ToTensor", pic)
            if pic.mode == "1":
                array = array * np.uint8(255)
        native = array.dtype.newbyteorder("=")
        array = array.astype(LARGER.get(native, native), copy=False)
        if array.dtype not in dtypes.SUPPORTED:
            raise TypeError(f"ToTensor: expected numbers that a tensor can hold, got {array.dtype}")
        if array.ndim not in (2, 3, 4):
            raise ValueError(f"ToTensor: expected an array ([N,] H, W, C) or (H, W), got shape {array.shape}")
        planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, -3)
        if array.dtype == np.uint8:
            default = dtypes.get_default_dtype()
            return from_array(np.true_divide(planes, default.type(255), dtype=default, order="C"))
        return from_array(planes.copy(order="C"))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation, channel by channel; gradients flow through.

    The image is a tensor ([N,] C, H, W) or an array ([N,] H, W, C) of floats.

    Args:
        mean, std: one number for each channel.
        inplace: overwrite the image.

    Raises:
        ValueError: `std` holds 0; in a call, the channels do not fit.

    Examples:
        >>> mg.vision.transforms.Normalize([0.5], [0.25])(mg.tensor([[[0.5, 1.0]]]))
        tensor([[[0., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        if not np.all(np.asarray(std)):
            raise ValueError(f"Normalize: std must not hold 0, got {std}")
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: Any) -> Any:
        if not isinstance(tensor, (Tensor, np.ndarray)):
            raise TypeError(
                f"Normalize: expected a tensor or array, got {type(tensor).__name__}; put ToTensor before it"
            )
        if tensor.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floats, got {tensor.dtype}; put ToTensor before it")
        is_tensor = isinstance(tensor, Tensor)
        if tensor.ndim not in (3, 4):
            layout = "([N,] C, H, W)" if is_tensor else "([N,] H, W, C)"
            raise ValueError(f"Normalize: expected shape {layout}, got {tensor.shape}")
        channels = tensor.shape[-3] if is_tensor else tensor.shape[-1]
        mean, std = (np.asarray(values, tensor.dtype).reshape(-1, 1, 1) for values in (self.mean, self.std))
        if len(mean) not in (1, channels) or len(std) not in (1, channels):
            raise ValueError(
                f"Normalize: mean of {len(mean)} and std of {len(std)} values do not fit {channels} channels"
            )
        if isinstance(tensor, np.ndarray):
            out = np.subtract(tensor, mean.reshape(-1), out=tensor if self.inplace else None)
            return np.divide(out, std.reshape(-1), out=out)
        shift, scale = (from_array(to_device(values, tensor.device)) for values in (mean, std))
        return tensor.sub_(shift).div_(scale) if self.inplace else (tensor - shift) / scale

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
