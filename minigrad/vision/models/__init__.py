"""The classic networks, one file each.

A class builds any network of its kind, a function in small letters a published one: `resnet50(num_classes=10)`.
Functions, arguments and `state_dict` keys are torchvision's where it has the model, so published weights load:
`resnet50(weights="resnet50-0676ba61.pth")`, or by their names: `resnet50(weights="DEFAULT")`.
"""

from minigrad.vision.models.alexnet import *
from minigrad.vision.models.densenet import *
from minigrad.vision.models.efficientnet import *
from minigrad.vision.models.googlenet import *
from minigrad.vision.models.lenet import *
from minigrad.vision.models.mobilenet import *
from minigrad.vision.models.published import *
from minigrad.vision.models.registry import *
from minigrad.vision.models.resnet import *
from minigrad.vision.models.resnet_cifar import *
from minigrad.vision.models.resnet_v2 import *
from minigrad.vision.models.tutorial import *
from minigrad.vision.models.vgg import *
