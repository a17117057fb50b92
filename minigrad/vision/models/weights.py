"""Trained weights for a model, from a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from minigrad import nn
from minigrad.serialize import load

M = TypeVar("M", bound=nn.Module)
WeightsFile = str | os.PathLike[str] | None


def load_weights(model: M, weights: WeightsFile) -> M:
    """The model, with the weights of a `.safetensors`, `.pt` or `.pth` file if one is given.

    Files that torchvision publishes fit: the models' `state_dict` keys are its own. Nothing is downloaded.
    """
    if weights is None:
        return model
    if not isinstance(weights, (str, os.PathLike)) or not Path(weights).is_file():
        raise ValueError(f"weights must be a .safetensors, .pt or .pth file that exists, but got {weights!r}")
    model.load_state_dict(load(weights))
    return model
