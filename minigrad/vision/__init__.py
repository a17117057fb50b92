"""Pictures: data sets of them, what is done to them before learning, and the models that learn."""

from minigrad.vision import datasets, models, transforms

__all__ = ["datasets", "models", "transforms"]
