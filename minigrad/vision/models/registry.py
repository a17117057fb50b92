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
    """A decorator: `get_model` knows this function by its name.

    `input_shape` is that of the pictures it was made for, (channels, height, width); `parameters` how many numbers it
    learns as published; `published` authors and year. ValueError for a name that another model has.
    """

    def register(build: Builder) -> Builder:
        if build.__name__ in MODELS:
            raise ValueError(f"register_model: there is a model called {build.__name__!r} already")
        MODELS[build.__name__] = Entry(build, input_shape, parameters, published)
        return build

    return register


def list_models() -> list[str]:
    """The names that `get_model` knows, in order of the alphabet."""
    return sorted(MODELS)


def get_model(name: str, **config: Any) -> Module:
    """The model that the function of this name builds: `get_model("vgg16", num_classes=10)`.

    `config` are that function's keywords. ValueError for a name that is not known, with those that are like it.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3) or list_models()
        raise ValueError(f"Unknown model {name!r}; did you mean {', '.join(near)}?")
    return MODELS[name].build(**config)
