"""Pictures: data sets of them, what is done to them before learning, and the models that learn."""

from minigrad.vision import datasets, io, models, transforms, utils

__all__ = ["datasets", "io", "models", "transforms", "utils"]
