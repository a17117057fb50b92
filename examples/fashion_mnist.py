"""What the examples on Fashion-MNIST have in common: their arguments, and the data."""

import argparse
from pathlib import Path

from minigrad import get_num_threads
from minigrad.train import recipes
from minigrad.vision.datasets import FashionMNIST, FashionMNISTSample


def parse_arguments(description, name, recipe):
    """The arguments of a training run called `name`; `epochs` and `lr` are the recipe's by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--epochs", type=at_least_one, default=recipe.epochs, help="default %(default)s")
    parser.add_argument(
        "--lr", type=float, default=recipe.lr, help="peak of the one-cycle schedule, default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--data", choices=["full", "sample"], default="full", help="sample: 6,000 + 1,000 pictures")
    parser.add_argument("--root", help="folder with the data set's files, where they are not in a usual place")
    parser.add_argument("--run-dir", type=Path, default=Path("runs", name), help="default %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--results", type=Path, help="folder for the figures and the picture, default --run-dir")
    parser.add_argument("--threads", type=at_least_one, default=get_num_threads(), help="default %(default)s")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, default %(default)s")
    arguments = parser.parse_args()
    if not arguments.lr > 0:
        parser.error("--lr must be more than 0")
    if arguments.resume and not (arguments.run_dir / "checkpoint.pt").exists():
        parser.error(f"--resume: there is no run in {arguments.run_dir}; start one without --resume first")
    arguments.results = (arguments.results or arguments.run_dir) / name
    return arguments


def at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def load(arguments, recipe):
    """Training set and test set, their pictures transformed by the recipe."""
    for_training, for_test = recipes.transforms(recipe, recipes.PICTURES["fashion-mnist"])
    if arguments.data == "sample":
        return FashionMNISTSample(True, for_training), FashionMNISTSample(False, for_test)
    return (
        FashionMNIST(arguments.root, True, for_training, download=True),
        FashionMNIST(arguments.root, False, for_test, download=True),
    )
