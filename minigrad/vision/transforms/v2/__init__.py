"""`torchvision.transforms.v2`, for images: all transforms, and those that only the second version has."""

from minigrad.vision.transforms import functional as functional
from minigrad.vision.transforms.affine import *
from minigrad.vision.transforms.color import *
from minigrad.vision.transforms.compose import *
from minigrad.vision.transforms.convert import *
from minigrad.vision.transforms.crops import *
from minigrad.vision.transforms.erasing import *
from minigrad.vision.transforms.geometry import *
from minigrad.vision.transforms.picture import InterpolationMode as InterpolationMode
from minigrad.vision.transforms.policy import *
from minigrad.vision.transforms.v2.convert import *
