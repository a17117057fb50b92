"""The classic networks, one file each.

A class builds any network of its kind, a function in small letters a published one: `resnet50(num_classes=10)`.
Functions, arguments and `state_dict` keys are torchvision's where it has the model, so published weights load:
`resnet50(weights="resnet50-0676ba61.pth")`.
"""

import difflib
from typing import Any

from minigrad.nn import Module
from minigrad.vision.models.alexnet import AlexNet, AlexNet2012, alexnet, alexnet2012
from minigrad.vision.models.efficientnet import EfficientNet, efficientnet_b0
from minigrad.vision.models.googlenet import GoogLeNet, GoogLeNetOutputs, auxiliary_loss, googlenet
from minigrad.vision.models.lenet import LeNet5, lenet5
from minigrad.vision.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from minigrad.vision.models.resnet_cifar import resnet20, resnet32, resnet44, resnet56, resnet110
from minigrad.vision.models.resnet_v2 import ResNetV2, resnet18_v2, resnet34_v2, resnet50_v2, resnet101_v2, resnet152_v2
from minigrad.vision.models.tutorial import TutorialCNN, tutorial_cnn
from minigrad.vision.models.vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg11_lrn,
    vgg11_lrn_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg16c,
    vgg16c_bn,
    vgg19,
    vgg19_bn,
)

_BUILDERS = {
    builder.__name__: builder
    for builder in (
        alexnet,
        alexnet2012,
        efficientnet_b0,
        googlenet,
        lenet5,
        resnet18,
        resnet34,
        resnet50,
        resnet101,
        resnet152,
        resnext50_32x4d,
        wide_resnet50_2,
        resnet20,
        resnet32,
        resnet44,
        resnet56,
        resnet110,
        resnet18_v2,
        resnet34_v2,
        resnet50_v2,
        resnet101_v2,
        resnet152_v2,
        tutorial_cnn,
        vgg11,
        vgg11_bn,
        vgg11_lrn,
        vgg11_lrn_bn,
        vgg13,
        vgg13_bn,
        vgg16,
        vgg16_bn,
        vgg16c,
        vgg16c_bn,
        vgg19,
        vgg19_bn,
    )
}


def list_models() -> list[str]:
    """The names that `get_model` knows, in order of the alphabet."""
    return sorted(_BUILDERS)


def get_model(name: str, **config: Any) -> Module:
    """The model that the function of this name builds: `get_model("vgg16", num_classes=10)`."""
    if name not in _BUILDERS:
        near = difflib.get_close_matches(name, _BUILDERS, n=3) or list_models()
        raise ValueError(f"Unknown model {name!r}; did you mean {', '.join(near)}?")
    return _BUILDERS[name](**config)


__all__ = [
    "AlexNet",
    "AlexNet2012",
    "EfficientNet",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet5",
    "ResNet",
    "ResNetV2",
    "TutorialCNN",
    "VGG",
    "alexnet",
    "alexnet2012",
    "auxiliary_loss",
    "efficientnet_b0",
    "get_model",
    "googlenet",
    "lenet5",
    "list_models",
    "resnet101",
    "resnet101_v2",
    "resnet110",
    "resnet152",
    "resnet152_v2",
    "resnet18",
    "resnet18_v2",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet34_v2",
    "resnet44",
    "resnet50",
    "resnet50_v2",
    "resnet56",
    "resnext50_32x4d",
    "tutorial_cnn",
    "vgg11",
    "vgg11_bn",
    "vgg11_lrn",
    "vgg11_lrn_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg16c",
    "vgg16c_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
]
