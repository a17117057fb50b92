"""The models by name: each registers itself where it is defined, with the facts that a table of them shows."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from types import ModuleType
from typing import Any, NamedTuple, TypeVar, cast

from minigrad.nn import Module
from minigrad.vision.models.published import PUBLISHED
from minigrad.vision.models.weights import Weights, WeightsEnum, chosen

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "register_model",
]

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
        built = _with_published_weights(build) if build.__name__ in PUBLISHED else build
        MODELS[build.__name__] = Entry(built, input_shape, parameters, published)
        return built

    return register


def _with_published_weights(build: Builder) -> Builder:
    """`build`, whose `weights=` may also be published ones, or their name; and torchvision's older `pretrained=`."""
    name = build.__name__

    @functools.wraps(build)
    def built(pretrained: Any = None, *, weights: Any = None, progress: bool = True, **config: Any) -> Module:
        weights = chosen(name, PUBLISHED[name], weights, pretrained)
        if isinstance(weights, WeightsEnum):
            classes = len(weights.meta["categories"])
            if config.setdefault("num_classes", classes) != classes:
                raise ValueError(f"{name}: {weights} has num_classes={classes}, but got {config['num_classes']}")
            weights = weights.file(progress)
        return build(weights=weights, **config)

    return cast(Builder, built)


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """List the names that `get_model` knows, sorted.

    Args:
        module: only models that it defines, or modules below it.
        include, exclude: patterns such as "resnet*".

    Examples:
        >>> mg.vision.models.list_models(include="resnet1*", exclude="*_v2")
        ['resnet101', 'resnet110', 'resnet152', 'resnet18']
    """
    included, excluded = (
        [patterns] if isinstance(patterns, str) else list(patterns or ()) for patterns in (include, exclude)
    )
    return sorted(
        name
        for name, entry in MODELS.items()
        if (module is None or entry.build.__module__.startswith(module.__name__))
        and (not included or any(fnmatch(name, pattern) for pattern in included))
        and not any(fnmatch(name, pattern) for pattern in excluded)
    )


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
    _check_known(name)
    return MODELS[name].build(**config)


def _check_known(name: str) -> None:
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=3) or list_models()
        raise ValueError(f"Unknown model {name!r}; did you mean {', '.join(near)}?")


def get_model_builder(name: str) -> Callable[..., Module]:
    """Return the function that builds a model.

    Args:
        name: as listed by `list_models`.

    Raises:
        ValueError: the name is unknown.

    Examples:
        >>> mg.vision.models.get_model_builder("lenet5") is mg.vision.models.lenet5
        True
    """
    _check_known(name)
    return MODELS[name].build


def get_model_weights(name: Callable[..., Module] | str) -> type[WeightsEnum]:
    """Return the enumeration of a model's published weights.

    Args:
        name: the model's name, or the function that builds it.

    Raises:
        ValueError: the name is unknown, or no weights are published.

    Examples:
        >>> list(mg.vision.models.get_model_weights("resnet50"))
        [ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2]
    """
    model = name if isinstance(name, str) else name.__name__
    _check_known(model)
    if model not in PUBLISHED:
        raise ValueError(f"get_model_weights: no weights are published for {model!r}")
    return PUBLISHED[model]


def get_weight(name: str) -> WeightsEnum:
    """Return published weights by their full name.

    Args:
        name: as in "ResNet50_Weights.IMAGENET1K_V2".

    Raises:
        ValueError: there are none of that name.

    Examples:
        >>> mg.vision.models.get_weight("VGG16_Weights.DEFAULT").url
        'https://download.pytorch.org/models/vgg16-397923af.pth'
    """
    kind, _, member = name.partition(".")
    for published in PUBLISHED.values():
        if published.__name__ == kind and member in published.__members__:
            return published[member]
    raise ValueError(f"get_weight: there are no weights called {name!r}; expected a name as ResNet50_Weights.DEFAULT")
