"""Erasing a random rectangle of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.random import randn
from minigrad.tensor import Tensor, from_array
from minigrad.vision.transforms.picture import Transform, change, crop, per_channel, uniform, uniform_between

__all__ = [
    "RandomErasing",
]


class RandomErasing(Transform):
    """Overwrite a random rectangle of an image.

    Args:
        p: the probability.
        scale: the range of the rectangle's share of the area.
        ratio: the range of its height over its width. If ten tries find no rectangle that fits, nothing is erased.
        value: a number, one for each channel, or "random" for normally distributed noise.
        inplace: overwrite the image itself.

    Raises:
        ValueError: an argument is out of its range.

    Source: Zhong et al., "Random erasing data augmentation" (2017), arXiv:1708.04896.

    Examples:
        >>> erased = mg.vision.transforms.RandomErasing(p=1.0)(mg.ones(1, 32, 32))
        >>> 0 < (erased == 0).sum().item() < 32 * 32
        True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ):
        if not 0 <= p <= 1:
            raise ValueError(f"RandomErasing: p must be between 0 and 1, got {p}")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be (low, high) within 0 and 1, got {scale}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be (low, high) with 0 < low <= high, got {ratio}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f'RandomErasing: value must be numbers or "random", got {value!r}')
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    def __call__(self, img: Any) -> Any:
        erased = change("RandomErasing", img, self._erase_some)
        if self.inplace and isinstance(img, Tensor):
            img._bump_version()
        return erased

    def _erase_some(self, x: np.ndarray) -> np.ndarray:
        # the copy is made once for a batch; a Pillow image's pixels may be looked at, not written
        x = x if self.inplace and x.flags.writeable else x.copy()
        for picture in x if x.ndim == 4 else [x]:
            if float(uniform(1)[0]) < self.p:
                value = None if isinstance(self.value, str) else self.value
                top, left, height, width, filling = self.get_params(picture, self.scale, self.ratio, value)
                crop(picture, top, left, height, width)[...] = filling
        return x

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: float | Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """Draw the rectangle (top, left, height, width), and what fills it; the whole image if none was found.

        Args:
            img: an array or tensor (C, H, W).
            scale, ratio: as for the class.
            value: a number, or one for each channel; None draws noise.

        Raises:
            ValueError: the number of values does not fit the channels.
        """
        is_tensor = isinstance(img, Tensor)
        channels, height, width = img.shape[-3:]
        for _ in range(10):
            area = height * width * uniform_between(*scale)
            shape = math.exp(uniform_between(*map(math.log, ratio)))
            h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if h < height and w < width:
                filling = (
                    randn(channels, h, w).array if value is None else per_channel("RandomErasing", value, channels)
                )
                top, left = (uniform(2) * (height - h + 1, width - w + 1)).astype(int).tolist()
                return top, left, h, w, from_array(filling) if is_tensor else filling
        return 0, 0, height, width, img

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
