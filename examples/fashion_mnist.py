"""What the examples on Fashion-MNIST have in common: their arguments, the data, and the training run."""

import argparse
from dataclasses import replace
from pathlib import Path

import minigrad as mg
from minigrad.data import DataLoader
from minigrad.train import Trainer, TrainingInterrupted, recipes
from minigrad.train.results import write_results
from minigrad.vision.datasets import FashionMNIST, FashionMNISTSample


def train(build, title, recipe):
    """Train the network that `build()` makes by `recipe`, and write its figures and its picture.

    `title` is what the run is called, such as "ResNet-20"; its files are "resnet20-fashion-mnist".
    """
    run_name = f"{title} on Fashion-MNIST"
    args = parse_arguments(f"Train {run_name}.", f"{title.lower().replace('-', '')}-fashion-mnist", recipe)
    recipe = replace(recipe, epochs=args.epochs, lr=args.lr)
    mg.set_num_threads(args.threads)
    mg.manual_seed(args.seed)

    train_set, test_set = load(args, recipe)
    train_loader = DataLoader(train_set, recipe.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=500)

    model = build().to(args.device)
    optimizer, scheduler, schedule_by, criterion = recipes.build(recipe, model, len(train_loader))
    trainer = Trainer(
        model,
        optimizer,
        criterion,
        scheduler=scheduler,
        schedule_by=schedule_by,
        run_dir=args.run_dir,
        cuda_graph=True,
        checkpoint_every=200,  # at most a minute or two is lost
        name=run_name,
        classes=test_set.classes,
    )
    trainer.setup |= {"seed": args.seed, "data": args.data}
    if args.resume:
        try:
            trainer.resume()
        except RuntimeError as error:  # made with other arguments, or damaged
            raise SystemExit(str(error)) from None
    try:
        trainer.fit(train_loader, test_loader, recipe.epochs)
    except TrainingInterrupted:
        raise SystemExit(f"Stopped. What was learned is in {args.run_dir}; go on with --resume.") from None

    results = write_results(args.results, trainer, recipe, test_loader, test_set.data)
    print(
        f"{results['test_accuracy']:.2%} test accuracy after {results['epochs']} epochs in {results['seconds']:.0f} s; "
        f"figures: {args.results}.json, picture: {args.results}.png"
    )


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
    parser.add_argument("--threads", type=at_least_one, default=mg.get_num_threads(), help="default %(default)s")
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
