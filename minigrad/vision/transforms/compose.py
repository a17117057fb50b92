"""Transforms made of other transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.ops.random import randperm
from minigrad.vision.transforms.picture import Transform, uniform

__all__ = [
    "Compose",
    "Lambda",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
]


class Compose(Transform):
    """Apply one transform after another.

    Args:
        transforms: functions of an image.

    Examples:
        >>> from minigrad.vision import transforms
        >>> prepare = transforms.Compose([transforms.CenterCrop(2), transforms.Normalize([0.5], [0.5])])
        >>> prepare(mg.ones(1, 4, 4))
        tensor([[[1., 1.],
                 [1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = transforms

    @property
    def batched(self) -> bool:  # type: ignore[override]
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join("\n" + repr(transform) for transform in self.transforms).replace("\n", "\n    ")
        return f"Compose({lines}\n)"


class Lambda(Transform):
    """Use any function as a transform.

    Args:
        lambd: the function.

    Raises:
        TypeError: it is not callable.

    Examples:
        >>> mg.vision.transforms.Lambda(lambda image: 1 - image)(mg.tensor([[[0.25]]]))
        tensor([[[0.7500]]])
    """

    batched = False

    def __init__(self, lambd: Callable[[Any], Any]):
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class _Several(Transform):
    """Some of several transforms, at random. Single images only, since the choice is made for each."""

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        if not isinstance(transforms, Sequence) and not hasattr(transforms, "__iter__"):
            raise TypeError(f"{type(self).__name__}: transforms must be a sequence, got {type(transforms).__name__}")
        self.transforms = transforms

    def __repr__(self) -> str:
        lines = "".join("\n" + repr(transform) for transform in self.transforms).replace("\n", "\n    ")
        return f"{type(self).__name__}({lines}\n)"


class RandomApply(_Several):
    """Apply all of several transforms, or none, at random.

    Args:
        transforms: functions of an image.
        p: the probability of all.

    Raises:
        TypeError: `transforms` is no sequence.

    Examples:
        >>> from minigrad.vision import transforms
        >>> transforms.RandomApply([transforms.Lambda(lambda image: 2 * image)], p=1.0)(mg.ones(1, 1, 1))
        tensor([[[2.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5):
        super().__init__(transforms)
        self.p = p

    def __call__(self, img: Any) -> Any:
        if self.p < float(uniform(1)[0]):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img


class RandomChoice(_Several):
    """Apply one of several transforms.

    Args:
        transforms: functions of an image.
        p: their probabilities, or numbers in proportion to them; None means equal ones.

    Raises:
        TypeError: `transforms` is no sequence.
        ValueError: `p` has another length.

    Examples:
        >>> from minigrad.vision import transforms
        >>> transforms.RandomChoice([transforms.CenterCrop(2), transforms.CenterCrop(3)])(mg.ones(1, 4, 4)).shape
        (1, 3, 3)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"RandomChoice: {len(p)} probabilities for {len(transforms)} transforms")
        self.p = p

    def __call__(self, img: Any) -> Any:
        weights = [1.0] * len(self.transforms) if self.p is None else self.p
        point, index = float(uniform(1)[0]) * sum(weights), 0
        while index < len(weights) - 1 and point >= weights[index]:
            point -= weights[index]
            index += 1
        return self.transforms[index](img)


class RandomOrder(_Several):
    """Apply several transforms in random order.

    Args:
        transforms: functions of an image.

    Raises:
        TypeError: `transforms` is no sequence.

    Examples:
        >>> from minigrad.vision import transforms
        >>> order = transforms.RandomOrder([transforms.Pad(1), transforms.CenterCrop(2)])
        >>> order(mg.ones(1, 2, 2)).shape in [(1, 4, 4), (1, 2, 2)]
        True
    """

    def __call__(self, img: Any) -> Any:
        for index in randperm(len(self.transforms)).tolist():
            img = self.transforms[index](img)
        return img
