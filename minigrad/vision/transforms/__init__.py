"""What is done to pictures before they are learned from, with torchvision's names, arguments and defaults.

A picture is a Pillow image, a NumPy array (H, W, C) or (H, W), or a tensor (C, H, W), and comes back as what
it was. All transforms but Lambda and RandomResize also take a whole batch, as a tensor (N, C, H, W) or an array
(N, H, W, C); the random ones then draw anew for each picture. Random numbers come from minigrad's default
generator, so `minigrad.manual_seed` governs them.
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
