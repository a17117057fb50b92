"""Noise images, to test a program before its data are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.vision.datasets.vision import VisionDataset


class FakeData(VisionDataset):
    """Noise images in random classes, for tests of a pipeline. Item i is always the same.

    Args:
        size: how many.
        image_size: (channels, height, width), with 1, 3 or 4 channels.
        num_classes: how many classes.
        transform, target_transform: functions of the image and of the class.
        random_offset: another number gives other images.

    Raises:
        ValueError: `image_size` is not such a size.

    Examples:
        >>> image, label = mg.vision.datasets.FakeData(size=10, image_size=(3, 32, 24))[0]
        >>> image.size  # Pillow's order, width and height
        (24, 32)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: Sequence[int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ):
        super().__init__(None, transform, target_transform)
        if len(image_size) != 3 or image_size[0] not in (1, 3, 4):
            raise ValueError(f"FakeData: image_size must be (1, 3 or 4 channels, height, width), got {image_size}")
        self.size = size
        self.image_size = tuple(image_size)
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        from minigrad.kernels import philox

        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index {index} is out of range for {self.size} images")
        count = int(np.prod(self.image_size))
        words = philox.reference.random_bits(1 + -(-count // 4), index + self.random_offset, 0)
        pixels = words[1:].astype("<u4").view(np.uint8)[:count].reshape(self.image_size)
        pixels = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        return self._transformed(Image.fromarray(pixels), int(words[0]) % self.num_classes)
