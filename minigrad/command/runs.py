"""Runs: the folder of one, with `config.json` beside the Trainer's files, and what a new or resumed one trains with."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from minigrad import nn
from minigrad.command import arguments
from minigrad.command import data as datasets
from minigrad.command.arguments import UsageError, nearest
from minigrad.command.data import Data
from minigrad.serialize.files import atomic_write, make_folder, read_bytes
from minigrad.train import recipes
from minigrad.train.recipes import Recipe
from minigrad.vision import models

CONFIG, BEST, CHECKPOINT = "config.json", "best.safetensors", "checkpoint.pt"
RUNS = Path("runs")  # where runs are kept unless said otherwise

# Options that are arguments of Trainer, with what they do. A run is resumed with those it was started with.
TRAINER = {
    "accumulate": (arguments.count(1), "N", "batches that make one step"),
    "checkpoint_every": (arguments.count(1), "N", "steps between checkpoints, beside one an epoch"),
    "clip_norm": (arguments.positive, "X", "bound for the norm of all gradients together"),
    "early_stopping": (arguments.count(1), "N", "stop after so many epochs without a better one"),
    "ema": (arguments.positive, "DECAY", "validate and keep a moving average of the weights, such as 0.999"),
    "mixup": (arguments.positive, "ALPHA", "train on blends of two pictures"),
}


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
        make_folder(folder)
        with atomic_write(folder / CONFIG) as file:
            file.write((json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read it from a run's folder."""
        try:
            config = cls(**json.loads(read_bytes(folder / CONFIG)))
            for name, kind in get_type_hints(cls).items():
                _check_kind(name, getattr(config, name), kind)
        except (TypeError, ValueError, RecursionError) as error:
            raise RuntimeError(f"{folder / CONFIG} is not the configuration of a run: {error}") from None
        return config

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


def _check_kind(name: str, value: Any, kind: Any) -> None:
    """TypeError for a value of JSON that a field of that type cannot have."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    wanted = tuple(get_origin(one) or one for one in kinds)
    if float in wanted:
        wanted += (int,)
    if not isinstance(value, wanted) or isinstance(value, bool) != (kind is bool):
        raise TypeError(f"{name} is {str(value)[:40]!r}")
    items = [item for one in kinds if get_origin(one) is list for item in get_args(one)]
    for item in value if items and isinstance(value, list) else []:
        _check_kind(name, item, items[0])


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


def refuse_second_run(folder: Path) -> None:
    """UsageError where a folder holds a run already."""
    if (folder / CHECKPOINT).exists():
        raise UsageError(
            f"{folder} holds a run already; go on with --resume --run-dir {shlex.quote(str(folder))}, or give another"
        )


def new_run(args: Any) -> tuple[Path, Config, Data]:
    """Folder, configuration and data of a run that begins."""
    if args.model is None or args.data is None:
        missing = "MODEL" if args.model is None else "--data"
        raise UsageError(f"{missing} is missing: minigrad train MODEL --data NAME|DIR, or --resume --run-dir DIR")
    name = datasets.known(args.data)
    folder = args.run_dir or RUNS / f"{args.model}-{Path(name).name}"
    refuse_second_run(folder)
    data = datasets.load(name, args.root, bool(args.strict))
    recipe_name = args.recipe or recipes.suggest(args.model, data.pictures)
    recipe = recipes.get(recipe_name)
    side = recipe.size or data.pictures.side
    if side is None:
        sized = [name for name, other in recipes.RECIPES.items() if other.size and not name.startswith("quick")]
        raise UsageError(f"recipe {recipe_name} needs pictures of one size; for a folder --recipe {' or '.join(sized)}")
    config = Config(
        model=args.model,
        data=name,
        recipe=recipe_name,
        epochs=args.epochs or recipe.epochs,
        batch_size=args.batch_size or recipe.batch_size,
        lr=args.lr or recipe.lr,
        seed=args.seed or 0,
        classes=data.classes,
        input_shape=[data.channels, side, side],
        settings=_settings(args.model, recipe, data, side),
        pictures={"mean": data.pictures.mean, "std": data.pictures.std, "side": data.pictures.side},
        root=None if args.root is None else str(Path(args.root).expanduser().resolve()),
        strict=bool(args.strict),
        device=args.device,
        workers=args.workers,
        weights=None if args.weights is None else str(args.weights.resolve()),
        trainer={option: value for option in TRAINER if (value := getattr(args, option)) is not None},
    )
    return folder, config, data


def _settings(model: str, recipe: Recipe, data: Data, side: int) -> dict[str, Any]:
    """The model's arguments: the recipe's where it was made for the model, and what the data demand."""
    suits = any(fnmatch(model, pattern) for pattern in recipe.networks)
    settings = dict(recipe.settings) if suits else {}
    settings |= {"num_classes": len(data.classes), "in_channels": data.channels}
    if model == "lenet5" and side == 32:
        settings["input_size"] = side
    if model == "googlenet" and not recipe.auxiliary:
        settings["aux_logits"] = False
    return settings


def resumed_run(args: Any) -> tuple[Path, Config, Data]:
    """Folder, configuration and data of a run that goes on; what is given must be what it was started with."""
    if args.run_dir is None and (args.model is None or args.data is None):
        raise UsageError("--resume needs --run-dir DIR, the folder of the run")
    folder = find_run(str(args.run_dir or RUNS / f"{args.model}-{Path(datasets.known(args.data)).name}"))
    config = Config.load(folder)
    config.device = args.device or config.device
    config.workers = config.workers if args.workers is None else args.workers
    started = {**vars(config), **dict.fromkeys(TRAINER), **config.trainer}
    for option in ("model", "data", "recipe", "epochs", "batch_size", "lr", "seed", "strict", "weights", *TRAINER):
        given = getattr(args, option)
        if given is None:
            continue
        given = datasets.known(given) if option == "data" else str(given.resolve()) if option == "weights" else given
        if given != started[option]:
            word = "MODEL" if option == "model" else f"--{option.replace('_', '-')}"
            raise UsageError(
                f"{word} {given}: {folder} was started with {started[option]}, and a run goes on "
                "as it was started; leave it out, or start another run"
            )
    return folder, config, datasets.load(config.data, args.root or config.root, config.strict)
