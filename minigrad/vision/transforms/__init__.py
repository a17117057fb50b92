"""Image transforms and augmentation, with torchvision's names, arguments and defaults.

An image is a Pillow image, a NumPy array (H, W, C) or (H, W), or a tensor (C, H, W); the result has the same type. Most
transforms also take a batch, as a tensor (N, C, H, W) or an array (N, H, W, C); the random ones then draw anew for each
image. Random numbers come from minigrad's default generator, so `minigrad.manual_seed` determines them.
"""

from minigrad.vision.transforms import functional as functional
from minigrad.vision.transforms import v2 as v2
from minigrad.vision.transforms.affine import *
from minigrad.vision.transforms.color import *
from minigrad.vision.transforms.compose import *
from minigrad.vision.transforms.convert import *
from minigrad.vision.transforms.crops import *
from minigrad.vision.transforms.erasing import *
from minigrad.vision.transforms.geometry import *
from minigrad.vision.transforms.picture import InterpolationMode as InterpolationMode
from minigrad.vision.transforms.policy import *
