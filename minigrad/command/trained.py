"""Trained models: out of the folder of a run, or of a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad import nn
from minigrad.command.arguments import UsageError
from minigrad.command.runs import BEST, CHECKPOINT, CONFIG, Config, find_run
from minigrad.train import recipes
from minigrad.vision import models
from minigrad.vision import transforms as T
from minigrad.vision.models.registry import MODELS

# The arguments of models that change the shapes of weights, tried one after the other until a file fits.
VARIANTS: tuple[dict[str, Any], ...] = ({}, {"small_input": True}, {"aux_logits": False}, {"batch_norm": False})


@dataclass
class Trained:
    """A trained model: in evaluation mode, with the names of its classes, and what its input must go through."""

    model: nn.Module
    classes: list[str]
    input_shape: tuple[int, ...]
    transform: T.Compose  # from a Pillow image of any size
    origin: str  # what to call it
    config: Config | None = None
    folder: Path | None = None


def open_trained(source: str, model: str | None, classes: list[str] | None = None) -> Trained:
    """The trained model of a run's folder, or of a file of weights, for which the model's name must be given."""
    path = Path(source).expanduser()
    if path.is_file():
        if model is None and (path.parent / CONFIG).is_file():
            return _of_run(path.parent, path)
        return _of_weights(path, model, classes)
    folder = find_run(source)
    if not (folder / BEST).is_file():
        raise UsageError(f"{folder} has no {BEST} yet; to finish an epoch: minigrad train --resume --run-dir {folder}")
    return _of_run(folder, folder / BEST)


def _of_run(folder: Path, weights: Path) -> Trained:
    config = Config.load(folder)
    model = config.build()
    state = mg.load(weights)
    model.load_state_dict(state["model"] if weights.name == CHECKPOINT else state)
    pixels, recipe = config.pixels(), config.recipe_used()
    scale = recipe.test_scales[0] if recipe.test_scales else None
    first: list[Any] = [] if pixels.side is None else [T.Resize(pixels.side), T.CenterCrop(pixels.side)]
    transform = T.Compose([*first, recipes.evaluation_transform(recipe, pixels, scale)])
    return Trained(model.eval(), config.classes, tuple(config.input_shape), transform, str(folder), config, folder)


def _of_weights(path: Path, name: str | None, classes: list[str] | None) -> Trained:
    """Of weights alone: pictures are normalised as ImageNet's are, or if they are grey as Fashion-MNIST's."""
    if name is None:
        raise UsageError(f"{path} does not say which model it is for; give --model NAME (minigrad models lists all)")
    state = mg.load(path)
    if not isinstance(state, dict) or not all(isinstance(value, mg.Tensor) for value in state.values()):
        raise UsageError(f"{path} holds no state_dict of a model (a flat dict of tensors)")
    model, settings = _model_for(state, name, path)
    channels, number = settings["in_channels"], settings["num_classes"]
    if classes is not None and len(classes) != number:
        raise UsageError(f"--classes names {len(classes)} classes, but {path} has {number}")
    side = 32 if "small_input" in settings else MODELS[name].input_shape[1]
    pixels = recipes.PICTURES["imagenet" if channels == 3 else "fashion-mnist"]
    shorter = 256 if side == 224 else side  # as published weights are tested
    transform = T.Compose([T.Resize(shorter), T.CenterCrop(side), T.ToTensor(), T.Normalize(pixels.mean, pixels.std)])
    names = classes or [f"class {index}" for index in range(number)]
    return Trained(model.eval(), names, (channels, side, side), transform, str(path))


def _model_for(state: dict[str, Any], name: str, path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model that weights fit, with them, and the arguments that it was built with."""
    layers = list(models.get_model(name).named_modules())
    last = [place for place, layer in layers if isinstance(layer, nn.Linear)][-1]
    first, convolution = next((place, layer) for place, layer in layers if isinstance(layer, nn.Conv2d))
    try:
        number = state[f"{last}.weight"].shape[0]
        channels = state[f"{first}.weight"].shape[1] * convolution.groups
    except (KeyError, IndexError):
        raise UsageError(f"{path} is not for {name}: it has no {first}.weight or {last}.weight") from None
    shapes = {key: value.shape for key, value in state.items()}
    settings: dict[str, Any] = {"num_classes": number, "in_channels": channels}
    if name == "googlenet" and number == 1000:
        settings["transform_input"] = True  # the published weights were trained so
    for variant in VARIANTS:
        try:
            model = models.get_model(name, **settings, **variant)
        except TypeError:
            continue  # this network has no such argument
        if {key: value.shape for key, value in model.state_dict().items()} == shapes:
            model.load_state_dict(state)
            return model, settings | variant
    raise UsageError(f"{path} does not fit {name}: its tensors have other names or shapes")
