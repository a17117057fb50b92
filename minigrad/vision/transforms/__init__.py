"""Image transforms and augmentation, with torchvision's names, arguments and defaults.

An image is a Pillow image, a NumPy array (H, W, C) or (H, W), or a tensor (C, H, W); the result has the same type. All
transforms but Lambda and RandomResize also take a batch, as a tensor (N, C, H, W) or an array (N, H, W, C); the random
ones then draw anew for each image. Random numbers come from minigrad's default generator, so `minigrad.manual_seed`
determines them.
"""

from minigrad.vision.transforms.color import ColorJitter, RandomErasing, RandomLighting
from minigrad.vision.transforms.convert import Compose, Lambda, Normalize, ToTensor
from minigrad.vision.transforms.geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResize,
    RandomResizedCrop,
    RandomRotation,
    Resize,
)
from minigrad.vision.transforms.picture import InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomLighting",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "Resize",
    "ToTensor",
]
