"""How the classic networks were trained, as data: what was done to the pictures, and how the weights were moved.

    recipe = recipes.get("resnet-cifar")
    for_training, for_test = recipes.transforms(recipe, PICTURES["cifar10"])
    optimizer, scheduler, schedule_by, criterion = recipes.build(recipe, model, len(loader))

A recipe is varied by `dataclasses.replace(recipe, epochs=10)`; its schedule is stretched to fit. All train by gradient
descent with momentum on the cross-entropy. The recipes whose names begin with "quick" are not from papers: their
one-cycle schedule comes near in ten or twenty epochs to what takes a hundred in stairs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from typing import Any, Literal, NamedTuple

from minigrad import nn
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from minigrad.tensor import Tensor
from minigrad.vision import transforms as T
from minigrad.vision.models import auxiliary_loss

Unit = Literal["step", "epoch"]


@dataclass(frozen=True)
class Plateau:
    """The learning rate times `factor` when the validation accuracy has not risen for more than `patience` epochs.

    Here and below `epochs` is the length of the training that the numbers are meant for: a recipe that is given
    another number of epochs goes through the same schedule as much faster or slower.
    """

    epochs: int
    factor: float = 0.1
    patience: int = 5  # the papers leave it open; a decrease every 15 to 25 epochs is what came of it


@dataclass(frozen=True)
class Stairs:
    """From each time on, in epochs or steps, a share of the learning rate: (30, 0.1) is a tenth from epoch 30 on."""

    epochs: int
    levels: tuple[tuple[int, float], ...]
    unit: Unit = "epoch"

    def share(self, time: float) -> float:
        return [1.0, *(share for start, share in self.levels if start <= time)][-1]


@dataclass(frozen=True)
class Decay:
    """The learning rate times `factor` every so many epochs."""

    epochs: int
    factor: float
    every: int
    unit: Unit = "epoch"

    def share(self, time: float) -> float:
        return self.factor ** (time // self.every)


@dataclass(frozen=True)
class OneCycle:
    """The learning rate up from a 25th in the first 30 %, then down to almost nothing, step by step (`OneCycleLR`).

    The momentum goes the other way, between 0.95 and 0.85, whatever the recipe's is.
    """


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    The learning rate:
        epochs, batch_size, lr, momentum, nesterov, weight_decay, schedule
    The pictures, in this order:
        resize: the shorter side, drawn for each picture from (low, high); None to leave it as it is.
        frame: cut a square of this side from the middle, or put zeros around it to make one.
        size: the side of what the network sees, cut out at random; None for the whole picture.
        area: instead of a crop of fixed scale, one that covers (low, high) of the picture, stretched a little.
        padding: how many zeros are put around the picture before the random crop.
        flip: whether to mirror every other picture.
        lighting: the deviation of AlexNet's shifts of colour.
        deviation: divide by the pixels' deviation; otherwise their mean is subtracted only, on a scale of 0 to 255.
        test_scales: the shorter sides at which a picture is looked at in the test, the single-scale one first.
    The network:
        networks: patterns of the names it was made for (`list_models`), and `settings` to build them with.
        auxiliary: the weight of GoogLeNet's auxiliary losses.
    """

    source: str
    networks: tuple[str, ...]
    epochs: int
    batch_size: int
    lr: float
    schedule: Plateau | Stairs | Decay | OneCycle
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    resize: tuple[int, int] | None = None
    frame: int | None = None
    size: int | None = None
    area: tuple[float, float] | None = None
    padding: int = 0
    flip: bool = True
    lighting: float = 0.0
    deviation: bool = True
    test_scales: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    auxiliary: float = 0.0


_LENET = Recipe(
    source="LeCun et al. 1998, Gradient-based learning applied to document recognition, section III. Its rates from "
    "0.0005 down are divided here by the 0.02 that bounded its second derivatives; the loss is the cross-entropy.",
    networks=("lenet5",),
    epochs=20,
    batch_size=1,
    lr=0.025,
    momentum=0.0,
    weight_decay=0.0,
    schedule=Stairs(20, ((2, 0.4), (5, 0.2), (8, 0.1), (12, 0.02))),
    flip=False,
    settings={"classic": True},
)

_ALEXNET = Recipe(
    source="Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks, "
    "sections 4 and 5; instead of the mean picture the mean of each channel is subtracted.",
    networks=("alexnet*",),
    epochs=90,
    batch_size=128,
    lr=0.01,
    schedule=Plateau(90),
    resize=(256, 256),
    frame=256,
    size=224,
    lighting=0.1,
    deviation=False,
    test_scales=(256,),
    settings={"dropout": 0.5},
)

_VGG = Recipe(
    source="Simonyan, Zisserman 2014, Very deep convolutional networks for large-scale image recognition, sections 3 "
    "and 4: the shorter side jittered, the test at 384, at 256, 384 and 512 together, and dense; the deeper networks "
    "begin with layers of a trained VGG-11 (`VGG.initialize_from`).",
    networks=("vgg*",),
    epochs=74,
    batch_size=256,
    lr=0.01,
    schedule=Plateau(74),
    resize=(256, 512),
    size=224,
    lighting=0.1,
    deviation=False,
    test_scales=(384, 256, 512),
    settings={"dropout": 0.5},
)

_GOOGLENET = Recipe(
    source="Szegedy et al. 2014, Going deeper with convolutions, sections 5 to 7. Batch, first rate, weight decay and "
    "length, which it does not tell, are those of its reproduction in Caffe (BVLC GoogLeNet).",
    networks=("googlenet",),
    epochs=250,
    batch_size=32,
    lr=0.01,
    weight_decay=2e-4,
    schedule=Decay(250, 0.96, every=8),
    area=(0.08, 1.0),
    size=224,
    deviation=False,
    test_scales=(256, 288, 320, 352),
    settings={"batch_norm": False, "dropout": 0.4},
    auxiliary=0.3,
)

_RESNET = Recipe(
    source="He, Zhang, Ren, Sun 2015, Deep residual learning for image recognition, section 3.4. It divided the rate "
    "by 10 when the error stopped falling; at epochs 30 and 60 is the habit since. Pixels are divided by their "
    "deviation too, as published weights expect.",
    networks=("*",),
    epochs=90,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    schedule=Stairs(90, ((30, 0.1), (60, 0.01))),
    resize=(256, 480),
    size=224,
    lighting=0.1,
    test_scales=(256, 224, 384, 480, 640),
)

_RESNET_CIFAR = Recipe(
    source="He, Zhang, Ren, Sun 2015, section 4.2: 64,000 steps, which are 164 epochs of 50,000 pictures.",
    networks=("resnet20", "resnet32", "resnet44", "resnet56"),
    epochs=164,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule=Stairs(164, ((32_000, 0.1), (48_000, 0.01)), "step"),
    padding=4,
)

_RESNET110_CIFAR = Recipe(
    source="He, Zhang, Ren, Sun 2015, section 4.2: a rate of 0.1 is too large for 110 layers to begin with, so the "
    "first 400 steps take 0.01.",
    networks=("resnet110",),
    epochs=164,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule=Stairs(164, ((0, 0.1), (400, 1.0), (32_000, 0.1), (48_000, 0.01)), "step"),
    padding=4,
)

_ONE_CYCLE = "Smith, Topin 2018, Super-convergence; the peak was tried on Fashion-MNIST."

_QUICK_LENET = Recipe(
    source=_ONE_CYCLE,
    networks=("lenet5", "tutorial_cnn"),
    epochs=12,
    batch_size=128,
    lr=0.1,
    schedule=OneCycle(),
    flip=False,
)

_QUICK_VGG = Recipe(
    source=_ONE_CYCLE,
    networks=("vgg*",),
    epochs=12,
    batch_size=64,  # twice the steps of 128: 9 epochs of those reach 93.25 % on Fashion-MNIST
    lr=0.05,
    nesterov=True,
    schedule=OneCycle(),
    frame=32,  # 28x28 becomes 32x32, which five poolings halve to 1x1
    size=32,
    padding=2,
    settings={"small_input": True},
)

_QUICK_RESNET = Recipe(
    source=_ONE_CYCLE,
    networks=("resnet*", "resnext*", "wide_resnet*"),
    epochs=15,
    batch_size=128,
    lr=0.1,
    nesterov=True,
    schedule=OneCycle(),
    padding=2,
    settings={"small_input": True},
)

_QUICK = replace(_QUICK_RESNET, networks=("*",), lr=0.05, settings={})

_FINE_TUNE = Recipe(
    source="The usual way to give a trained network new classes: a tenth of the first rate, milder crops.",
    networks=(),
    epochs=10,
    batch_size=32,
    lr=0.01,
    nesterov=True,
    weight_decay=1e-4,
    schedule=OneCycle(),
    area=(0.35, 1.0),
    size=224,
    test_scales=(256,),
)

RECIPES = {
    "lenet": _LENET,
    "alexnet": _ALEXNET,
    "vgg": _VGG,
    "googlenet": _GOOGLENET,
    "resnet": _RESNET,
    "resnet-cifar": _RESNET_CIFAR,
    "resnet110-cifar": _RESNET110_CIFAR,
    "quick-lenet": _QUICK_LENET,
    "quick-vgg": _QUICK_VGG,
    "quick-resnet": _QUICK_RESNET,
    "quick": _QUICK,
    "fine-tune": _FINE_TUNE,
}


@dataclass(frozen=True)
class Pictures:
    """What is to be known of a data set's pixels: mean and deviation of each channel (of 0 to 1), the side."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int | None = None  # None where the pictures are of different sizes


PICTURES = {
    "mnist": Pictures((0.1307,), (0.3081,), 28),
    "fashion-mnist": Pictures((0.2860,), (0.3530,), 28),
    "cifar10": Pictures((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 32),
    "imagenet": Pictures((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # and for any folder of photographs
}


def get(name: str) -> Recipe:
    """The recipe of this name. Errors: ValueError with the nearest names."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=3) or list(RECIPES)
        raise ValueError(f"Unknown recipe {name!r}; did you mean {', '.join(near)}?")
    return RECIPES[name]


def suggest(model: str, pictures: Pictures) -> str:
    """The name of the recipe for a network: a quick one where pictures are small, else its paper's or ResNet's."""
    small = pictures.side is not None
    fitting = [
        name
        for name, recipe in RECIPES.items()
        if name.startswith("quick") == small
        and (small or recipe.size is not None)
        and any(fnmatch(model, pattern) for pattern in recipe.networks)
    ]
    return min(fitting, key=lambda name: "*" in RECIPES[name].networks)  # the one for any network last


def transforms(recipe: Recipe, pictures: Pictures) -> tuple[T.Compose, T.Compose]:
    """What makes the network's input of a picture, in training and in the test.

    They take a Pillow image; where nothing is resized, also a whole batch as an array (N, H, W, C).
    """
    size = recipe.size or pictures.side
    if size is None:
        raise ValueError("transforms: the recipe has no size, and the pictures have none in common")
    steps: list[Any] = []
    if recipe.resize is not None:
        low, high = recipe.resize
        steps.append(T.Resize(low) if low == high else T.RandomResize(low, high + 1))
    if recipe.frame is not None:
        steps.append(T.CenterCrop(recipe.frame))
    if recipe.area is not None:
        steps.append(T.RandomResizedCrop(size, scale=recipe.area))
    elif recipe.padding or recipe.resize is not None:
        steps.append(T.RandomCrop(size, padding=recipe.padding))
    if recipe.flip:
        steps.append(T.RandomHorizontalFlip())
    steps.append(T.ToTensor())
    if recipe.lighting:
        steps.append(T.RandomLighting(recipe.lighting))
    steps.append(_normalize(recipe, pictures))
    scale = recipe.test_scales[0] if recipe.test_scales else None
    return T.Compose(steps), evaluation_transform(recipe, pictures, scale)


def evaluation_transform(recipe: Recipe, pictures: Pictures, scale: int | None, whole: bool = False) -> T.Compose:
    """The test's transform at one scale, the length of the shorter side; `whole` pictures for dense evaluation."""
    size = recipe.size or pictures.side
    steps: list[Any] = [] if scale is None else [T.Resize(scale)]
    if size is not None and not whole:
        steps.append(T.CenterCrop(size))
    return T.Compose([*steps, T.ToTensor(), _normalize(recipe, pictures)])


def _normalize(recipe: Recipe, pictures: Pictures) -> T.Normalize:
    return T.Normalize(pictures.mean, pictures.std if recipe.deviation else (1 / 255,))


class Training(NamedTuple):
    """What `Trainer` needs beside the model."""

    optimizer: SGD
    scheduler: LRScheduler
    schedule_by: Unit
    criterion: Callable[[Any, Tensor], Tensor]


def build(recipe: Recipe, model: nn.Module, steps_per_epoch: int) -> Training:
    """Optimizer, schedule and loss for a model whose loader has so many batches."""
    epochs = recipe.epochs
    if min(epochs, steps_per_epoch) < 1:
        raise ValueError(f"build: epochs and steps_per_epoch must be at least 1, got {epochs} and {steps_per_epoch}")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = SGD(parameters, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.nesterov)
    schedule = recipe.schedule
    scheduler: LRScheduler
    unit: Unit = "epoch"
    if isinstance(schedule, OneCycle):
        unit = "step"
        scheduler = OneCycleLR(optimizer, recipe.lr, total_steps=epochs * steps_per_epoch)
    elif isinstance(schedule, Plateau):
        scheduler = ReduceLROnPlateau(
            optimizer, "max", schedule.factor, patience=round(schedule.patience * epochs / schedule.epochs)
        )
    else:
        unit = schedule.unit
        scheduler = LambdaLR(optimizer, lambda time: schedule.share(time * schedule.epochs / epochs))
    criterion = partial(auxiliary_loss, weight=recipe.auxiliary) if recipe.auxiliary else nn.CrossEntropyLoss()
    return Training(optimizer, scheduler, unit, criterion)
