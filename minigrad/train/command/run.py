"""A run's folder as the command line writes it: `config.json` beside the Trainer's files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from minigrad import nn
from minigrad.serialize.files import atomic_write
from minigrad.train import recipes
from minigrad.train.command.arguments import UsageError, nearest
from minigrad.vision import models

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
        return replace(recipes.get(self.recipe), epochs=self.epochs, batch_size=self.batch_size, lr=self.lr)

    def build(self) -> nn.Module:
        """The model, with fresh weights."""
        return models.get_model(self.model, **self.settings)

    def pixels(self) -> recipes.Pictures:
        """What is known of the pictures' pixels."""
        pictures = self.pictures
        return recipes.Pictures(tuple(pictures["mean"]), tuple(pictures["std"]), pictures["side"])


def find_run(source: str) -> Path:
    """The folder of a run, by its path or by its name in runs/; UsageError with the nearest otherwise."""
    for folder in (Path(source).expanduser(), RUNS / source):
        if (folder / CONFIG).is_file():
            return folder
    raise UsageError(f"{source} is no run: there is no {CONFIG} in it; {_known_runs(source)}")


def _known_runs(source: str) -> str:
    runs = sorted(str(path.parent) for path in RUNS.glob(f"*/{CONFIG}"))
    return nearest(source, runs) if runs else "minigrad train makes one"


def newest_run() -> Path:
    """The run in runs/ whose best weights were written last."""
    runs = [path.parent for path in RUNS.glob(f"*/{BEST}") if (path.parent / CONFIG).is_file()]
    if not runs:
        raise UsageError("there is no run in runs/ yet; minigrad train makes one, or say --from WEIGHTS --model NAME")
    return max(runs, key=lambda folder: (folder / BEST).stat().st_mtime)
