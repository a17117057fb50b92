"""`minigrad train`: a network, a data set, a recipe; and going on with a run that was stopped."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad import nn
from minigrad.command import arguments
from minigrad.command.arguments import UsageError
from minigrad.command.console import tell
from minigrad.command.data import Data, through, workers
from minigrad.command.runs import BEST, CHECKPOINT, TRAINER, Config, new_run, refuse_second_run, resumed_run
from minigrad.data import DataLoader
from minigrad.train import NonFiniteLoss, Trainer, TrainingInterrupted, recipes
from minigrad.train.history import best_row
from minigrad.train.memory import allowed_bytes, gigabytes, step_bytes

TEST_BATCH = 250  # pictures at a time where no gradients are kept


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train a network on a data set, or go on with a run",
        description="Train a network. The run's folder holds config.json, checkpoint.pt, best.safetensors (the weights "
        "of the best epoch), history.csv, log.jsonl and curves.png. Ctrl-C, SIGTERM and a closed terminal save, and "
        "--resume goes on.",
        epilog=f"recipes: {', '.join(recipes.RECIPES)}",
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
    folder, config, data = resumed_run(args) if args.resume else new_run(args)
    try:
        _fit(folder, config, data, args.resume)
    except TrainingInterrupted as stopped:
        where = str(stopped).partition(";")[0]
        raise TrainingInterrupted(f"{where}, all is saved; go on with: {_go_on(folder)}", stopped.signal) from None
    except OSError as error:
        if not (folder / CHECKPOINT).is_file():
            raise
        raise OSError(error.errno, f"{error.strerror or error}; then go on with: {_go_on(folder)}") from None
    except MemoryError as error:
        again = f"{config.model} --batch-size {max(1, config.batch_size // 4)} --run-dir DIR"
        raise MemoryError(f"{error}; such as: {_program()} train {again}") from None
    except NonFiniteLoss as error:
        raise NonFiniteLoss(f"{error}; try a smaller --lr, or --clip-norm 1") from None


def _fit(folder: Path, config: Config, data: Data, resume: bool) -> None:
    """Train as `config` says."""
    mg.manual_seed(config.seed)
    model, recipe = config.build(), config.recipe_used()
    _check_fits(config, model)
    fresh = _start_from(model, config.weights) if config.weights and not resume else []
    processes = workers(config.data) if config.workers is None else config.workers
    for_training, for_test = recipes.transforms(recipe, data.pictures)
    loader = DataLoader(through(data.train, for_training), config.batch_size, shuffle=True, num_workers=processes)
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
        cuda_graph=not {"accumulate", "mixup"} & config.trainer.keys(),
        **config.trainer,
    )
    trainer.setup["seed"] = config.seed
    parameters = sum(p.numel() for p in model.parameters())
    tell(
        f"{config.model} ({parameters:,} parameters) on {Path(config.data).name}: {len(data.train):,} pictures of "
        f"{len(data.classes)} classes, {len(data.test):,} for validation"
    )
    if trainer.folder is not None and not resume:
        trainer.folder.hold()
        refuse_second_run(folder)  # it may have begun meanwhile
    if resume:
        trainer.resume()
        over = len(trainer.history) >= config.epochs or trainer.stopped
        here = "the run is over" if over else f"going on in epoch {trainer.epoch} of {config.epochs}"
        tell(f"{here}, after step {trainer.step:,}")
    else:
        need = step_bytes(model, training.optimizer, config.input_shape, config.batch_size)
        if config.device is None and need > (have := allowed_bytes()):
            words = f"needs at least {gigabytes(need)}, and this process may have {gigabytes(have)}"
            warnings.warn(f"a step on {config.batch_size} pictures {words}: take a smaller --batch-size", stacklevel=2)
        tell(
            f"recipe {config.recipe}: {config.epochs} epochs, batches of {config.batch_size}, learning rate "
            f"{config.lr:g}; run folder {folder}"
        )
        if config.weights:
            kept = f"; fresh: {', '.join(fresh)}" if fresh else ""
            tell(f"starting from {config.weights}{kept}")
        config.save(folder)
    trainer.fit(loader, validation, config.epochs)
    best = best_row(trainer.history)
    tell(
        f"best: {best['validation_top1']:.2%} top-1 in epoch {best['epoch']}; weights {folder / BEST}, curves "
        f"{folder / 'curves.png'}\nsee more with: {_program()} evaluate {_quote(folder)}"
    )


def _check_fits(config: Config, model: nn.Module) -> None:
    """UsageError if the model cannot take the pictures, before anything is written."""
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


def _start_from(model: nn.Module, weights: str) -> list[str]:
    """Load what fits of a file's weights; the names of what does not, which stays as it was initialised."""
    state = mg.load(weights)
    state = state["model"] if "model" in state and isinstance(state["model"], dict) else state
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise UsageError(f"--weights: nothing in {weights} fits the model")
    model.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _go_on(folder: Path) -> str:
    return f"{_program()} train --resume --run-dir {_quote(folder)}"


def _program() -> str:
    """How this program was called."""
    return "python -m minigrad" if Path(sys.argv[0]).name == "__main__.py" else "minigrad"


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
