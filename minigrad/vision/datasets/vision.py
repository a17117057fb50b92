"""The base class of all image data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.data import Dataset
from minigrad.tensor import Tensor, from_array


class VisionDataset(Dataset[Any]):
    """A data set of (image, target) whose items pass through `transform` and `target_transform`."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        self.root = None if root is None else Path(root).expanduser()
        self.transform = transform
        self.target_transform = target_transform

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _batch(self, pictures: np.ndarray, targets: np.ndarray) -> Any:
        """What collating the items of these pictures (N, H, W, C) would give, made all at once.

        NotImplemented where `transform` works on one picture only, or `target_transform` is there.
        """
        if self.target_transform is not None or not getattr(self.transform, "batched", False):
            return NotImplemented
        images = self.transform(pictures)  # type: ignore[misc]
        return [images, from_array(targets)] if isinstance(images, Tensor) else NotImplemented

    def extra_repr(self) -> str:
        """One more line for the representation."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]  # type: ignore[arg-type]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        for name, function in (("Transform", self.transform), ("Target transform", self.target_transform)):
            if function is not None:
                lines.append(f"{name}: " + repr(function).replace("\n", "\n" + " " * (len(name) + 2)))
        indented = "\n".join(lines).replace("\n", "\n    ")
        return f"Dataset {type(self).__name__}\n    {indented}"
