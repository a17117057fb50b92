"""The data sets that the command line knows by name, and folders of pictures."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigrad.command.arguments import UsageError
from minigrad.data import Dataset, Subset
from minigrad.train.recipes import PICTURES, Pictures
from minigrad.vision.datasets import CIFAR10, MNIST, FashionMNIST, FashionMNISTSample, ImageFolder

NAMED: dict[str, tuple[Callable[..., Any], str]] = {  # the class, and what PICTURES calls its pixels
    "fashion-mnist": (FashionMNIST, "fashion-mnist"),
    "mnist": (MNIST, "mnist"),
    "cifar10": (CIFAR10, "cifar10"),
    "sample": (FashionMNISTSample, "fashion-mnist"),
}
TRAINING, TEST = ("train", "training"), ("val", "valid", "validation", "test")  # names of a folder's parts
HELD_OUT = 10  # where a folder has no parts, every so many-th picture is kept for the test


@dataclass(frozen=True)
class Data:
    """A training and a test set of (Pillow image, class), and what is known of them; `train` is None if not needed."""

    name: str
    train: Any
    test: Any
    classes: list[str]
    pictures: Pictures

    @property
    def channels(self) -> int:
        """1 for grey pictures, 3 for coloured ones."""
        return len(self.pictures.mean)


def known(text: str) -> str:
    """The name of a data set, or the absolute path of a folder that exists; UsageError with the nearest otherwise."""
    if text in NAMED:
        return text
    folder = Path(text).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    near = difflib.get_close_matches(text.lower(), NAMED, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(NAMED)}, or give a folder"
    raise UsageError(f"--data: {text!r} is neither a data set nor a folder; {hint}")


def load(name: str, root: str | None = None, strict: bool = False, training: bool = True) -> Data:
    """The data set `name`, downloaded and its checksums verified where it is not on this machine yet.

    A folder holds one of pictures for each class, or two such folders, train and val. `strict` refuses damaged
    pictures, which are otherwise left out with a warning that counts them: all are read once for that, those for
    `training` only where they are wanted.
    """
    if name in NAMED:
        dataset, pixels = NAMED[name]
        where = {} if name == "sample" else {"root": root, "download": True}
        try:
            test = dataset(train=False, **where)
            train = dataset(train=True, **where) if training else None
        except RuntimeError as error:
            raise RuntimeError(f"{error}; --root DIR says where they lie, and --data sample is always here") from None
        return Data(name, train, test, list(test.classes), PICTURES[pixels])
    folder = Path(name)
    parts = [next((folder / part for part in names if (folder / part).is_dir()), None) for names in (TRAINING, TEST)]
    if parts[0] is not None and parts[1] is not None:
        test = ImageFolder(parts[1], strict=strict)
        train = ImageFolder(parts[0], strict=strict) if training else None
        if train is not None and train.classes != test.classes:
            different = sorted(set(train.classes) ^ set(test.classes))[0]
            raise UsageError(f"--data: only one of {parts[0]} and {parts[1]} has a folder {different!r}")
        return Data(name, train, test, test.classes, PICTURES["imagenet"])
    whole = ImageFolder(folder, strict=strict)
    if len(whole.classes) < 2:
        raise UsageError(f"--data: {folder} has one folder only, {whole.classes[0]!r}; expected a folder a class")
    train = Subset(whole, [i for i in range(len(whole)) if i % HELD_OUT != HELD_OUT - 1])
    test = Subset(whole, [i for i in range(len(whole)) if i % HELD_OUT == HELD_OUT - 1])
    if not len(test):
        raise UsageError(f"--data: {folder} has {len(whole)} pictures; at least {HELD_OUT} are needed")
    return Data(name, train, test, whole.classes, PICTURES["imagenet"])


def through(dataset: Any, transform: Callable[[Any], Any]) -> Dataset[Any]:
    """The same data set, its pictures seen through `transform`."""
    seen = copy.copy(dataset)
    if isinstance(dataset, Subset):
        seen.dataset = through(dataset.dataset, transform)
    else:
        seen.transform = transform
    return seen


def workers(name: str) -> int:
    """How many processes read pictures: none for data sets that lie in memory, else one for each core."""
    return 0 if name in NAMED else cores()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
