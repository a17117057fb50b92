"""`minigrad evaluate`: how good a trained network is on pictures it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad.command import arguments
from minigrad.command import data as datasets
from minigrad.command.arguments import UsageError
from minigrad.command.console import pairs, say, show, table
from minigrad.command.data import through
from minigrad.command.picture import draw_confusion
from minigrad.command.train import TEST_BATCH
from minigrad.command.trained import Trained, open_trained
from minigrad.data import DataLoader
from minigrad.nn.functional import cross_entropy
from minigrad.train import Metrics, recipes
from minigrad.train.evaluation import evaluate_views

MOST_CLASSES = 40  # of which each has a row; of more, the worst are shown
WORST = 10


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="top-1 and top-5, class by class, and the confusion matrix",
        description="Test a trained network: top-1 and top-5, each class by itself, and a picture of which class is "
        "taken for which.",
    )
    parser.add_argument("source", metavar="RUN_DIR|WEIGHTS", help="the folder of a run, or a file of weights")
    parser.add_argument("--model", metavar="NAME", type=arguments.model, help="what the file of weights is for")
    parser.add_argument("--data", metavar="NAME|DIR", help="test on other data than the run's")
    parser.add_argument("--root", metavar="DIR", help="where the data set's files are")
    parser.add_argument("--multi-scale", action="store_true", help="average over the scales of the run's recipe")
    parser.add_argument("--dense", action="store_true", help="VGG: average over all places in the whole picture")
    parser.add_argument("--flip", action="store_true", help="average over each picture and its mirror image")
    parser.add_argument("--device", type=arguments.device, metavar="NAME", help="cpu (the default) or cuda")
    parser.add_argument("--workers", metavar="N", type=arguments.count(0), help="processes that read pictures")
    parser.add_argument(
        "--picture", metavar="FILE", type=arguments.output(".png", ".svg", ".pdf"), help="default: confusion.png there"
    )
    parser.set_defaults(run=evaluate, parser=parser)


def evaluate(args: Any) -> None:
    """Print the figures, and draw the confusion matrix."""
    trained = open_trained(args.source, args.model)
    config = trained.config
    if args.data is not None:
        name = datasets.known(args.data)
    elif config is not None:
        name = config.data
    else:
        raise UsageError(f"{args.source} is a file of weights; say with --data what to test it on")
    if args.device is not None:
        trained.model.to(args.device)
    root, strict = (args.root or config.root, config.strict) if config else (args.root, False)
    data = datasets.load(name, root, strict, training=False)
    if config is not None and data.classes != config.classes:
        raise UsageError(f"{trained.origin} was trained for other classes than those of {Path(name).name}")
    if len(data.classes) != len(trained.classes) or data.channels != trained.input_shape[0]:
        raise UsageError(
            f"{trained.origin} tells {len(trained.classes)} classes apart in pictures of {trained.input_shape[0]} "
            f"channels; {Path(name).name} has {len(data.classes)} classes and {data.channels} channels"
        )
    figures = _figures(trained, data.test, args, datasets.workers(name) if args.workers is None else args.workers)
    counts = figures["confusion"].numpy()
    names = data.classes
    picture = args.picture or (trained.folder or Path()) / "confusion.png"

    facts = [
        ("top-1", f"{figures['top1']:.2%}   (error {1 - figures['top1']:.2%})"),
        ("top-5", f"{figures['top5']:.2%}   (error {1 - figures['top5']:.2%})"),
        ("loss", f"{figures['loss']:.4f}"),
        ("pictures", f"{figures['samples']:,} of {Path(name).name}"),
    ]
    if config is not None and name == config.data:
        facts.append(("note", "the best epoch was chosen by these same pictures"))
    show(pairs(facts if len(names) > 5 else [facts[0], *facts[2:]]))
    say()
    right = figures["per_class"].tolist()
    shown = [place for place in range(len(names)) if counts[place].any()]
    if len(shown) > MOST_CLASSES:
        say(f"the {WORST} hardest of {len(shown)} classes")
        shown = sorted(shown, key=lambda place: right[place])[:WORST]
    rows = [_row(names, counts[place], place, right[place]) for place in shown]
    show(table(["class", "pictures", "right", "most often taken for"], rows, "lrrl"))
    title = f"{trained.origin}: {figures['top1']:.2%} of {figures['samples']:,} named right"
    draw_confusion(picture, counts, names, title)  # last: a full disk costs no figures
    say(f"\nwhich class is taken for which: {picture}")


def _figures(trained: Trained, pictures: Any, args: Any, processes: int) -> dict[str, Any]:
    """The metrics of a trained network on a data set."""
    views = [trained.transform]
    if args.multi_scale or args.dense:
        if trained.config is None or not trained.config.recipe_used().test_scales:
            raise UsageError("--multi-scale and --dense need a run whose recipe has scales to test at")
        recipe, pixels = trained.config.recipe_used(), trained.config.pixels()
        scales = recipe.test_scales if args.multi_scale else recipe.test_scales[:1]
        views = [recipes.evaluation_transform(recipe, pixels, scale, whole=args.dense) for scale in scales]
    if args.multi_scale or args.dense or args.flip:
        return evaluate_views(trained.model, pictures, views, dense=args.dense, flip=args.flip, num_workers=processes)
    metrics, device = Metrics(full=True), next(trained.model.parameters()).device
    with mg.no_grad():
        for images, labels in DataLoader(through(pictures, trained.transform), TEST_BATCH, num_workers=processes):
            logits, labels = trained.model(images.to(device)), labels.to(device)
            metrics.add(cross_entropy(logits, labels), logits, labels)
    return metrics.compute()


def _row(names: list[str], counts: Any, place: int, right: float) -> list[str]:
    """A class: its name, its pictures, the share named right, and what the others are most often taken for."""
    wrong = counts.copy()
    wrong[place] = 0
    worst = int(wrong.argmax())
    return [
        names[place],
        f"{counts.sum():,}",
        f"{right:.1%}",
        f"{names[worst]} ({wrong[worst]})" if wrong.any() else "",
    ]
