"""How images are prepared for published networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.tensor import Tensor
from minigrad.vision.transforms import functional as F
from minigrad.vision.transforms.picture import InterpolationMode, Transform, is_image


class ImageClassification(Transform):
    """Resize an image, cut out its middle, and bring it to the scale that a network was trained with.

    Args:
        crop_size: the side of the part.
        resize_size: the length of the image's shorter side before.
        mean, std: one number for each channel.
        interpolation, antialias: as for `Resize`.

    Examples:
        >>> prepare = mg.vision.models.ResNet18_Weights.DEFAULT.transforms()
        >>> prepare((mg.rand(3, 300, 400) * 255).byte()).shape
        (3, 224, 224)
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def __call__(self, img: Any) -> Tensor:
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if is_image(img):
            img = F.pil_to_tensor(img)
        elif not isinstance(img, Tensor):
            img = F.to_tensor(img)
        return F.normalize(F.convert_image_dtype(img), self.mean, self.std)

    def __repr__(self) -> str:
        return (
            f"ImageClassification(\n    crop_size={self.crop_size}\n    resize_size={self.resize_size}\n"
            f"    mean={self.mean}\n    std={self.std}\n    interpolation={self.interpolation}\n)"
        )
