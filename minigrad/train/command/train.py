"""`minigrad train`: a network, a data set, a recipe; and going on with a run that was stopped."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from minigrad.train.command import arguments
from minigrad.train.command.arguments import UsageError

# Options that are arguments of Trainer, with what they do. A run is resumed with those it was started with.
TRAINER = {
    "accumulate": (arguments.count(1), "N", "batches that make one step"),
    "checkpoint_every": (arguments.count(1), "N", "steps between checkpoints, beside one an epoch"),
    "clip_norm": (arguments.positive, "X", "bound for the norm of all gradients together"),
    "early_stopping": (arguments.count(1), "N", "stop after so many epochs without a better one"),
    "ema": (arguments.positive, "DECAY", "validate and keep a moving average of the weights, such as 0.999"),
    "mixup": (arguments.positive, "ALPHA", "train on blends of two pictures"),
}


def add_to(commands: Any) -> None:
    """Add the command."""
    from minigrad.train.recipes import RECIPES

    parser = commands.add_parser(
        "train",
        help="train a network on a data set, or go on with a run",
        description="Train a network. The run's folder holds config.json, checkpoint.pt, best.safetensors (the weights "
        "of the best epoch), history.csv, log.jsonl and curves.png. Ctrl-C saves and says how to go on.",
        epilog=f"recipes: {', '.join(RECIPES)}",
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", type=arguments.model, help="see `minigrad models`")
    parser.add_argument(
        "--data",
        metavar="NAME|DIR",
        help="fashion-mnist, mnist, cifar10 (downloaded where missing), sample (a tenth of Fashion-MNIST, "
        "always here), or a folder with a folder of pictures for each class, or with two such, train and val",
    )
    parser.add_argument("--recipe", metavar="NAME", type=arguments.recipe, help="default: what suits model and data")
    parser.add_argument("--run-dir", metavar="DIR", type=Path, help="default: runs/MODEL-DATA")
    parser.add_argument("--resume", action="store_true", help="go on exactly where the run in --run-dir was stopped")
    recipe = parser.add_argument_group("instead of the recipe's")
    recipe.add_argument("--epochs", metavar="N", type=arguments.count(1), help="the schedule is stretched to fit")
    recipe.add_argument("--batch-size", metavar="N", type=arguments.count(1), help="pictures in a batch")
    recipe.add_argument("--lr", metavar="X", type=arguments.positive, help="learning rate, the schedule's highest")
    more = parser.add_argument_group("more")
    more.add_argument("--seed", metavar="N", type=arguments.count(0), help="default: 0")
    more.add_argument("--weights", metavar="FILE", type=arguments.file, help="start from these where they fit")
    more.add_argument("--device", type=arguments.device, metavar="NAME", help="cpu (the default) or cuda")
    more.add_argument("--root", metavar="DIR", help="where the data set's files are, or are downloaded to")
    more.add_argument("--workers", metavar="N", type=arguments.count(0), help="processes that read pictures")
    more.add_argument("--strict", action="store_true", default=None, help="refuse damaged pictures in a folder")
    for name, (kind, metavar, words) in TRAINER.items():
        more.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, type=kind, help=words)
    parser.set_defaults(run=train, parser=parser)


def train(args: Any) -> None:
    """Train a new run, or the rest of one."""
    from minigrad.train import TrainingInterrupted

    folder, config, data = _resumed(args) if args.resume else _new(args)
    try:
        _fit(folder, config, data, args)
    except TrainingInterrupted as stopped:
        where = str(stopped).partition(";")[0]
        raise TrainingInterrupted(
            f"{where}, all is saved; go on with: {_command()} --run-dir {_quote(folder)}"
        ) from None


def _new(args: Any) -> tuple[Path, Any, Any]:
    """Folder, configuration and data of a run that begins."""
    from minigrad.train import recipes
    from minigrad.train.command import data as datasets
    from minigrad.train.command.run import CHECKPOINT, RUNS, Config

    if args.model is None or args.data is None:
        missing = "MODEL" if args.model is None else "--data"
        raise UsageError(f"{missing} is missing: minigrad train MODEL --data NAME|DIR, or --resume --run-dir DIR")
    name = datasets.known(args.data)
    folder = args.run_dir or RUNS / f"{args.model}-{Path(name).name}"
    if (folder / CHECKPOINT).exists():
        raise UsageError(
            f"{folder} holds a run already; go on with --resume --run-dir {_quote(folder)}, or give another"
        )
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


def _settings(model: str, recipe: Any, data: Any, side: int) -> dict[str, Any]:
    """The model's arguments: the recipe's where it was made for the model, and what the data demand."""
    from fnmatch import fnmatch

    suits = any(fnmatch(model, pattern) for pattern in recipe.networks)
    settings = dict(recipe.settings) if suits else {}
    settings |= {"num_classes": len(data.classes), "in_channels": data.channels}
    return settings | ({"input_size": side} if model == "lenet5" and side == 32 else {})


def _resumed(args: Any) -> tuple[Path, Any, Any]:
    """Folder, configuration and data of a run that goes on; what is given must be what it was started with."""
    from minigrad.train.command import data as datasets
    from minigrad.train.command.run import RUNS, Config, find_run

    if args.run_dir is None and (args.model is None or args.data is None):
        raise UsageError("--resume needs --run-dir DIR, the folder of the run")
    folder = find_run(str(args.run_dir or RUNS / f"{args.model}-{Path(datasets.known(args.data)).name}"))
    config = Config.load(folder)
    config.device, config.workers = args.device or config.device, args.workers or config.workers
    started = {**vars(config), **dict.fromkeys(TRAINER), **config.trainer}
    for option in ("model", "data", "recipe", "epochs", "batch_size", "lr", "seed", "strict", "weights", *TRAINER):
        given = getattr(args, option)
        if given is None:
            continue
        given = datasets.known(given) if option == "data" else str(given.resolve()) if option == "weights" else given
        if given != started[option]:
            raise UsageError(
                f"--{option.replace('_', '-')} {given}: {folder} was started with {started[option]}, and a run goes on "
                "as it was started; leave it out, or start another run"
            )
    return folder, config, datasets.load(config.data, args.root or config.root, config.strict)


def _fit(folder: Path, config: Any, data: Any, args: Any) -> None:
    """Train as `config` says."""
    import minigrad as mg
    from minigrad.data import DataLoader
    from minigrad.train import Trainer, recipes
    from minigrad.train.command.console import say
    from minigrad.train.command.data import through, workers
    from minigrad.train.command.run import BEST

    mg.manual_seed(config.seed)
    model, recipe = config.build(), config.recipe_used()
    _check_fits(config, model)
    fresh = _start_from(model, config.weights) if config.weights and not args.resume else []
    processes = workers(config.data) if config.workers is None else config.workers
    for_training, for_test = recipes.transforms(recipe, data.pictures)
    loader = DataLoader(
        through(data.train, for_training), config.batch_size, shuffle=True, num_workers=processes, drop_last=False
    )
    validation = DataLoader(through(data.test, for_test), TEST_BATCH, num_workers=processes)
    if config.device is not None:
        model.to(config.device)
    training = recipes.build(recipe, model, len(loader))
    trainer = Trainer(
        model,
        training.optimizer,
        training.criterion,
        scheduler=training.scheduler,
        schedule_by=training.schedule_by,
        run_dir=folder,
        name=f"{config.model} on {Path(config.data).name}",
        classes=data.classes,
        **config.trainer,
    )
    trainer.setup["seed"] = config.seed
    parameters = sum(p.numel() for p in model.parameters())
    say(
        f"{config.model} ({parameters:,} parameters) on {Path(config.data).name}: {len(data.train):,} pictures of "
        f"{len(data.classes)} classes, {len(data.test):,} for validation"
    )
    if args.resume:
        trainer.resume()
        over = len(trainer.history) >= config.epochs or trainer.stopped
        here = "the run is over" if over else f"going on in epoch {trainer.epoch} of {config.epochs}"
        say(f"{here}, after step {trainer.step:,}")
    else:
        say(
            f"recipe {config.recipe}: {config.epochs} epochs, batches of {config.batch_size}, learning rate "
            f"{config.lr:g}; run folder {folder}"
        )
        if config.weights:
            kept = f"; fresh: {', '.join(fresh)}" if fresh else ""
            say(f"starting from {config.weights}{kept}")
        config.save(folder)
    trainer.fit(loader, validation, config.epochs)
    best = max(trainer.history, key=lambda row: row["validation_top1"])
    say(
        f"best: {best['validation_top1']:.2%} top-1 in epoch {best['epoch']}; weights {folder / BEST}, curves "
        f"{folder / 'curves.png'}\nsee more with: {_program()} evaluate {_quote(folder)}"
    )


TEST_BATCH = 250  # pictures at a time where no gradients are kept


def _check_fits(config: Any, model: Any) -> None:
    """UsageError if the model cannot take the pictures, before anything is written."""
    import minigrad as mg

    model.eval()
    try:
        with mg.no_grad():
            model(mg.zeros(1, *config.input_shape))
    except RuntimeError as error:
        shape = "x".join(map(str, config.input_shape))
        raise UsageError(
            f"{config.model} does not take pictures of {shape} (recipe {config.recipe}): {error}"
        ) from None
    model.train()


def _start_from(model: Any, weights: str) -> list[str]:
    """Load what fits of a file's weights; the names of what does not, which stays as it was initialised."""
    import minigrad as mg

    state = mg.load(weights)
    state = state["model"] if "model" in state and isinstance(state["model"], dict) else state
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise UsageError(f"--weights: nothing in {weights} fits the model")
    model.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _program() -> str:
    """How this program was called."""
    return "python -m minigrad" if Path(sys.argv[0]).name == "__main__.py" else "minigrad"


def _command() -> str:
    return f"{_program()} train --resume"


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
