"""The transforms as functions, with torchvision's names and arguments; nothing in them is random.

An image is a Pillow image, a NumPy array ([N,] H, W, C) or (H, W), or a tensor ([N,] C, H, W); the result has the same
type. Values are torchvision's: Pillow changes its own images, and integers are truncated where PyTorch truncates them.
"""

from minigrad.vision.transforms.functional.color import *
from minigrad.vision.transforms.functional.convert import *
from minigrad.vision.transforms.functional.geometry import *
from minigrad.vision.transforms.functional.levels import *
from minigrad.vision.transforms.functional.warp import *
from minigrad.vision.transforms.picture import InterpolationMode as InterpolationMode
