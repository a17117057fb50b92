"""A run's folder as the command line writes it: `config.json` beside the Trainer's files, and models out of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad import nn
from minigrad.serialize.files import atomic_write
from minigrad.train import recipes
from minigrad.train.command.arguments import UsageError, nearest
from minigrad.train.command.zoo import ZOO
from minigrad.vision import models
from minigrad.vision import transforms as T

CONFIG, BEST, CHECKPOINT = "config.json", "best.safetensors", "checkpoint.pt"
RUNS = Path("runs")  # where runs are kept unless said otherwise


@dataclass
class Config:
    """All that a run was started with; `recipe` holds the recipe's name, the other fields what it became."""

    model: str
    data: str
    recipe: str
    epochs: int
    batch_size: int
    lr: float
    seed: int
    classes: list[str]
    input_shape: list[int]
    settings: dict[str, Any] = field(default_factory=dict)  # the model's arguments
    pictures: dict[str, Any] = field(default_factory=dict)  # `recipes.Pictures`
    root: str | None = None
    strict: bool = False
    device: str | None = None
    workers: int | None = None  # None: as many as suit the machine
    weights: str | None = None
    trainer: dict[str, Any] = field(default_factory=dict)  # Trainer's arguments

    def save(self, folder: Path) -> None:
        """Write it into the run's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / CONFIG) as file:
            file.write((json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read it from a run's folder."""
        try:
            return cls(**json.loads((folder / CONFIG).read_text()))
        except (TypeError, ValueError) as error:
            raise RuntimeError(f"{folder / CONFIG} is not the configuration of a run: {error}") from None

    def recipe_used(self) -> recipes.Recipe:
        """The recipe with this run's own numbers."""
        from dataclasses import replace

        return replace(recipes.get(self.recipe), epochs=self.epochs, batch_size=self.batch_size, lr=self.lr)

    def build(self) -> nn.Module:
        """The model, with fresh weights."""
        return models.get_model(self.model, **self.settings)

    def pixels(self) -> recipes.Pictures:
        """What is known of the pictures' pixels."""
        pictures = self.pictures
        return recipes.Pictures(tuple(pictures["mean"]), tuple(pictures["std"]), pictures["side"])


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


def find_run(source: str) -> Path:
    """The folder of a run, by its path or by its name in runs/; UsageError with the nearest otherwise."""
    for folder in (Path(source).expanduser(), RUNS / source):
        if (folder / CONFIG).is_file():
            return folder
    raise UsageError(f"{source} is no run: there is no {CONFIG} in it; {known_runs(source)}")


def known_runs(source: str = "") -> str:
    """Advice about which runs there are."""
    runs = sorted(str(path.parent) for path in RUNS.glob(f"*/{CONFIG}"))
    return nearest(source, runs) if runs else "minigrad train makes one"


def newest_run() -> Path:
    """The run in runs/ whose best weights were written last."""
    runs = [path.parent for path in RUNS.glob(f"*/{BEST}") if (path.parent / CONFIG).is_file()]
    if not runs:
        raise UsageError("there is no run in runs/ yet; minigrad train makes one, or say --from WEIGHTS --model NAME")
    return max(runs, key=lambda folder: (folder / BEST).stat().st_mtime)


def open_trained(source: str, model: str | None, classes: list[str] | None = None) -> Trained:
    """The trained model of a run's folder, or of a file of weights, for which the model's name must be given."""
    path = Path(source).expanduser()
    if path.is_file():
        if model is None and (path.parent / CONFIG).is_file():
            return _of_run(path.parent, path)
        return _of_weights(path, model, classes)
    folder = find_run(source)
    if not (folder / BEST).is_file():
        raise UsageError(
            f"{folder} has no {BEST} yet: no epoch is finished; minigrad train --resume --run-dir {folder}"
        )
    return _of_run(folder, folder / BEST)


def _of_run(folder: Path, weights: Path) -> Trained:
    config = Config.load(folder)
    model = config.build()
    state = mg.load(weights)
    model.load_state_dict(state["model"] if weights.name == CHECKPOINT else state)
    pixels, recipe = config.pixels(), config.recipe_used()
    scale = recipe.test_scales[0] if recipe.test_scales else None
    first: list[Any] = [] if pixels.side is None else [T.Resize(pixels.side), T.CenterCrop(pixels.side)]
    transform = T.Compose([*first, recipes.test_transform(recipe, pixels, scale)])
    return Trained(model.eval(), config.classes, tuple(config.input_shape), transform, str(folder), config, folder)


def _of_weights(path: Path, name: str | None, classes: list[str] | None) -> Trained:
    if name is None:
        raise UsageError(f"{path} does not say which model it is for; give --model NAME (minigrad models lists all)")
    state = mg.load(path)
    if not isinstance(state, dict) or not all(isinstance(value, mg.Tensor) for value in state.values()):
        raise UsageError(f"{path} holds no state_dict of a model (a flat dict of tensors)")
    settings = settings_of(state, name)
    model = models.get_model(name, **settings)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(f"{path} does not fit {name}: {' '.join(str(error).split())[:300]}") from None
    shape = (settings["in_channels"], *ZOO[name].input_shape[1:])
    pixels = recipes.PICTURES["imagenet" if shape[0] == 3 else "fashion-mnist"]
    side = shape[1]
    shorter = round(side / 0.875) if side == 224 else side  # 256 for 224, as published weights are tested
    transform = T.Compose([T.Resize(shorter), T.CenterCrop(side), T.ToTensor(), T.Normalize(pixels.mean, pixels.std)])
    number = settings["num_classes"]
    if classes is not None and len(classes) != number:
        raise UsageError(f"--classes names {len(classes)} classes, but {path} has {number}")
    names = classes or [f"class {index}" for index in range(number)]
    return Trained(model.eval(), names, shape, transform, str(path))


def settings_of(state: dict[str, Any], name: str) -> dict[str, Any]:
    """The number of classes and of input channels that the weights of a model are for."""
    layers = list(models.get_model(name).named_modules())
    last = [path for path, layer in layers if isinstance(layer, nn.Linear)][-1]
    first, convolution = next((path, layer) for path, layer in layers if isinstance(layer, nn.Conv2d))
    try:
        classes = state[f"{last}.weight"].shape[0]
        channels = state[f"{first}.weight"].shape[1] * convolution.groups
    except (KeyError, IndexError):
        raise UsageError(f"these weights are not for {name}: they have no {first}.weight or {last}.weight") from None
    return {"num_classes": classes, "in_channels": channels}
