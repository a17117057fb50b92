"""The models as a table: what each takes, how many parameters it has, and where it was published."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A model with its default arguments."""

    input_shape: tuple[int, int, int]
    parameters: int  # googlenet: without the auxiliary classifiers, which evaluation leaves out
    source: str


_PHOTOGRAPH, _CIFAR, _DIGIT = (3, 224, 224), (3, 32, 32), (1, 28, 28)
_VGG, _RESNET, _V2 = "Simonyan, Zisserman 2014", "He et al. 2015", "He et al. 2016"

ZOO = {
    "alexnet": Entry(_PHOTOGRAPH, 61_100_840, "Krizhevsky 2014"),
    "alexnet2012": Entry(_PHOTOGRAPH, 60_965_224, "Krizhevsky et al. 2012"),
    "efficientnet_b0": Entry(_PHOTOGRAPH, 5_288_548, "Tan, Le 2019"),
    "googlenet": Entry(_PHOTOGRAPH, 6_624_904, "Szegedy et al. 2014"),
    "lenet5": Entry(_DIGIT, 61_706, "LeCun et al. 1998"),
    "resnet18": Entry(_PHOTOGRAPH, 11_689_512, _RESNET),
    "resnet34": Entry(_PHOTOGRAPH, 21_797_672, _RESNET),
    "resnet50": Entry(_PHOTOGRAPH, 25_557_032, _RESNET),
    "resnet101": Entry(_PHOTOGRAPH, 44_549_160, _RESNET),
    "resnet152": Entry(_PHOTOGRAPH, 60_192_808, _RESNET),
    "resnet18_v2": Entry(_PHOTOGRAPH, 11_687_720, _V2),
    "resnet34_v2": Entry(_PHOTOGRAPH, 21_795_880, _V2),
    "resnet50_v2": Entry(_PHOTOGRAPH, 25_549_352, _V2),
    "resnet101_v2": Entry(_PHOTOGRAPH, 44_541_480, _V2),
    "resnet152_v2": Entry(_PHOTOGRAPH, 60_185_128, _V2),
    "resnet20": Entry(_CIFAR, 269_722, _RESNET),
    "resnet32": Entry(_CIFAR, 464_154, _RESNET),
    "resnet44": Entry(_CIFAR, 658_586, _RESNET),
    "resnet56": Entry(_CIFAR, 853_018, _RESNET),
    "resnet110": Entry(_CIFAR, 1_727_962, _RESNET),
    "resnext50_32x4d": Entry(_PHOTOGRAPH, 25_028_904, "Xie et al. 2016"),
    "tutorial_cnn": Entry(_DIGIT, 11_252, "classic tutorials"),
    "vgg11": Entry(_PHOTOGRAPH, 132_863_336, _VGG),
    "vgg11_bn": Entry(_PHOTOGRAPH, 132_868_840, _VGG),
    "vgg11_lrn": Entry(_PHOTOGRAPH, 132_863_336, _VGG),
    "vgg11_lrn_bn": Entry(_PHOTOGRAPH, 132_868_840, _VGG),
    "vgg13": Entry(_PHOTOGRAPH, 133_047_848, _VGG),
    "vgg13_bn": Entry(_PHOTOGRAPH, 133_053_736, _VGG),
    "vgg16": Entry(_PHOTOGRAPH, 138_357_544, _VGG),
    "vgg16_bn": Entry(_PHOTOGRAPH, 138_365_992, _VGG),
    "vgg16c": Entry(_PHOTOGRAPH, 133_638_952, _VGG),
    "vgg16c_bn": Entry(_PHOTOGRAPH, 133_647_400, _VGG),
    "vgg19": Entry(_PHOTOGRAPH, 143_667_240, _VGG),
    "vgg19_bn": Entry(_PHOTOGRAPH, 143_678_248, _VGG),
    "wide_resnet50_2": Entry(_PHOTOGRAPH, 68_883_240, "Zagoruyko, Komodakis 2016"),
}
