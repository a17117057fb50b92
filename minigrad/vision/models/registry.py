"""The models by name: each registers itself where it is defined, with the facts that a table of them shows."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from minigrad.nn import Module

__all__ = ["get_model", "list_models", "register_model"]

Builder = TypeVar("Builder", bound=Callable[..., Module])

# Shapes that the networks were published for: (channels, height, width).
PHOTOGRAPH, SMALL_PHOTOGRAPH, DIGIT = (3, 224, 224), (3, 32, 32), (1, 28, 28)


class Entry(NamedTuple):
    """A model with its default arguments."""

    build: Callable[..., Module]
    input_shape: tuple[int, int, int]
    parameters: int  # googlenet: without the auxiliary classifiers, which evaluation leaves out
    published: str


MODELS: dict[str, Entry] = {}  # in the order in which their modules are imported and define them


def register_model(input_shape: tuple[int, int, int], parameters: int, published: str) -> Callable[[Builder], Builder]:
    """Register a function that builds a model, so that `get_model` knows it by its name. A decorator.

    Args:
        input_shape: the shape of the images that the model was made for, (channels, height, width).
        parameters: how many it has, as published.
        published: authors and year.

    Raises:
        ValueError: another model has the name.

    Examples:
        >>> @mg.vision.models.register_model((1, 8, 8), parameters=650, published="me, today")
        ... def linear8(num_classes=10):
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
        >>> "linear8" in mg.vision.models.list_models()
        True
    """

    def register(build: Builder) -> Builder:
        if build.__name__ in MODELS:
            raise ValueError(f"register_model: there is a model called {build.__name__!r} already")
        MODELS[build.__name__] = Entry(build, input_shape, parameters, published)
        return build

    return register


def list_models() -> list[str]:
    """List the names that `get_model` knows, sorted.

    Examples:
        >>> [name for name in mg.vision.models.list_models() if name.startswith("resnet1")]
        ['resnet101', 'resnet101_v2', 'resnet110', 'resnet152', 'resnet152_v2', 'resnet18', 'resnet18_v2']
    """
    return sorted(MODELS)


def get_model(name: str, **config: Any) -> Module:
    """Build a model by the name of its function: ``get_model("vgg16", num_classes=10)``.

    Args:
        name: as listed by `list_models`.
        config: the function's keyword arguments.

    Raises:
        ValueError: the name is unknown; the message has similar ones.

    Examples:
        >>> mg.vision.models.get_model("lenet5", num_classes=3)(mg.zeros(1, 1, 28, 28)).shape
        (1, 3)
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3) or list_models()
        raise ValueError(f"Unknown model {name!r}; did you mean {', '.join(near)}?")
    return MODELS[name].build(**config)
