"""Images: data sets, transforms and models."""

from minigrad.vision import datasets, io, models, transforms, utils

__all__ = ["datasets", "io", "models", "transforms", "utils"]
