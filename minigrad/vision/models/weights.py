"""Trained weights for a model: from a file, or published and found in a cache or downloaded."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from minigrad import nn
from minigrad.serialize import load
from minigrad.vision.datasets.download import download
from minigrad.vision.datasets.files import cache_folder

M = TypeVar("M", bound=nn.Module)
WeightsFile = str | os.PathLike[str] | None


def load_weights(model: M, weights: WeightsFile, rename: Callable[[str], str] = str) -> M:
    """The model, with the weights of a `.safetensors`, `.pt` or `.pth` file if one is given.

    Files that torchvision publishes fit: the models' `state_dict` keys are its own, once `rename` has seen them.
    """
    if weights is None:
        return model
    if not isinstance(weights, (str, os.PathLike)) or not Path(weights).is_file():
        raise ValueError(f"weights must be a .safetensors, .pt or .pth file that exists, but got {weights!r}")
    model.load_state_dict({rename(name): value for name, value in load(weights).items()})
    return model


@dataclass(frozen=True)
class Weights:
    """A published file of weights, how images are prepared for it, and what is known about it.

    Args:
        url: its address; the name ends in the first digits of its SHA-256, as in resnet18-f37072fd.pth.
        transforms: makes the transform of images; called without arguments.
        meta: facts, "categories", "num_params" and "min_size" among them.

    Examples:
        >>> weights = mg.vision.models.Weights("https://example.org/net-0123abcd.pth", lambda: None, {"num_params": 5})
        >>> weights.meta["num_params"]
        5
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """The published weights of a model, as in torchvision; DEFAULT are the best ones.

    Examples:
        >>> weights = mg.vision.models.ResNet18_Weights.DEFAULT
        >>> weights, weights.meta["num_params"], weights.meta["categories"][0]
        (ResNet18_Weights.IMAGENET1K_V1, 11689512, 'tench')
    """

    def __init_subclass__(cls) -> None:
        model = cls.__name__.removesuffix("_Weights")
        cls.__doc__ = f"""The weights of {model} that torchvision publishes.

        Examples:
            >>> mg.vision.models.{cls.__name__}.DEFAULT.url[:8]
            'https://'
        """

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member for its name, with or without the enumeration's; a member or None as it is.

        Args:
            obj: the name, the member or None.

        Raises:
            TypeError: it is none of these.
            ValueError: there is no member of that name.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if not isinstance(obj, str):
            raise TypeError(f"weights: expected one of {cls.__name__}, a name or a file, got {obj!r}")
        name = obj.removeprefix(f"{cls.__name__}.")
        if name not in cls.__members__:
            members = ", ".join(cls.__members__)
            raise ValueError(f"weights: {obj!r} is neither a file that exists nor one of {cls.__name__}: {members}")
        return cls[name]

    @property
    def url(self) -> str:
        """The file's address."""
        return self._weights.url

    @property
    def transforms(self) -> Callable[..., Any]:
        """What makes the transform of images."""
        return self._weights.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the weights."""
        return self._weights.meta

    @property
    def _weights(self) -> Weights:
        weights: Weights = self.value
        return weights

    def file(self, progress: bool = True, model_dir: str | os.PathLike[str] | None = None) -> Path:
        """The path of the file, which is downloaded if it is in no cache, and appears whole or not at all.

        Searched are `model_dir`, PyTorch's cache (~/.cache/torch/hub/checkpoints) and minigrad's
        (~/.cache/minigrad/checkpoints); the first or else the last of them gets a downloaded one.

        Args:
            progress: show a bar on standard error while downloading.
            model_dir: another folder.

        Raises:
            RuntimeError: it could not be downloaded, or its SHA-256 does not begin as its name says.
        """
        folder, _, name = self.url.rpartition("/")
        caches = [torch_cache(), cache_folder() / "checkpoints"]
        folders = caches if model_dir is None else [Path(model_dir), *caches]
        for place in folders:
            if (place / name).is_file():
                return place / name
        digits = re.search(r"-([0-9a-f]{8,})\.", name)
        if digits is None:
            raise RuntimeError(f"{name}: the name does not end in the digits of its checksum")
        return download(name, digits[1], [folder], folders[0] if model_dir else folders[-1], progress)

    def get_state_dict(
        self, progress: bool = True, check_hash: bool = True, model_dir: str | os.PathLike[str] | None = None
    ) -> Any:
        """The weights by their names.

        Args:
            progress, model_dir: as for `file`.
            check_hash: taken; what is downloaded is always checked.

        Raises:
            RuntimeError: as for `file`.
        """
        return load(self.file(progress, model_dir))

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol: Any) -> Any:  # by name: a copy of `transforms` is not equal to it
        return getattr, (type(self), self.name)


def torch_cache() -> Path:
    """Where PyTorch keeps the weights that it downloads."""
    home = os.environ.get("TORCH_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(home).expanduser() if home else cache / "torch") / "hub" / "checkpoints"


def chosen(owner: str, kind: type[WeightsEnum], weights: Any, pretrained: bool | None) -> Any:
    """What `weights=` means, or torchvision's older `pretrained=`: a member of `kind`, a file, or None."""
    if pretrained is not None:
        first = next(iter(kind))
        warnings.warn(
            f"{owner}: 'pretrained' is deprecated in favour of 'weights'; "
            f"pretrained={pretrained} means weights={first if pretrained else None!r}",
            UserWarning,
            stacklevel=3,
        )
        if isinstance(pretrained, bool):
            return first if pretrained else weights
        weights = pretrained  # the first argument without a name
    if isinstance(weights, (str, os.PathLike)) and Path(weights).is_file():
        return weights
    return kind.verify(os.fspath(weights) if isinstance(weights, os.PathLike) else weights)
