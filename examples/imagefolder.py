"""Teach a trained network the classes of your own pictures.

python examples/imagefolder.py pictures --weights resnet18-f37072fd.pth

`pictures` has a folder for each class: pictures/cat/*.jpg, pictures/dog/*.png. The network's last layer is replaced by
a new one with as many outputs; the layers below, which see edges, textures and shapes, stay as they are. Every fifth
picture is kept for the test. --weights takes torchvision's files and minigrad's; without it, or with --all, every
layer is trained.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, Subset
from minigrad.train import Trainer, TrainingInterrupted, recipes
from minigrad.vision.datasets import ImageFolder
from minigrad.vision.models import get_model


class NewHead(nn.Module):
    """`network` up to its last fully connected layer, and a new layer for `classes` in its place.

    Where the old layers are frozen they are run as in a test, so that batch normalisation and dropout stay still, and
    no gradient is kept for them.
    """

    def __init__(self, network, classes, frozen):
        super().__init__()
        path, last = [item for item in network.named_modules() if isinstance(item[1], nn.Linear)][-1]
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
        self.features = network.requires_grad_(not frozen)
        self.head = nn.Linear(last.in_features, classes)
        self.frozen = frozen

    def train(self, mode=True):
        super().train(mode)
        self.features.train(mode and not self.frozen)
        return self

    def forward(self, x):
        with mg.set_grad_enabled(mg.is_grad_enabled() and not self.frozen):
            x = self.features(x)
        return self.head(x)


def main():
    args = parse_arguments()
    mg.manual_seed(args.seed)
    recipe = replace(
        recipes.get("fine-tune"),
        size=args.size,
        test_scales=(round(args.size * 8 / 7),),  # 256 for 224: the crop leaves out an eighth
        epochs=args.epochs,
        lr=args.lr,
    )
    for_training, for_test = recipes.transforms(recipe, recipes.PICTURES["imagenet"])

    try:
        network = get_model(args.model, weights=args.weights)
        pictures = ImageFolder(args.folder, for_training, strict=args.strict)
    except (OSError, RuntimeError, ValueError) as error:  # each says in one line what is wrong with the arguments
        raise SystemExit(f"imagefolder.py: {error}") from None
    as_tested = copy.copy(pictures)
    as_tested.transform = for_test
    train_set = Subset(pictures, [index for index in range(len(pictures)) if index % 5])
    test_set = Subset(as_tested, range(0, len(pictures), 5))  # of each class, for they are in order
    train_loader = DataLoader(
        train_set, args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0
    )
    test_loader = DataLoader(test_set, args.batch_size, num_workers=args.workers)

    model = NewHead(network, len(pictures.classes), args.frozen)
    optimizer, scheduler, schedule_by, criterion = recipes.build(recipe, model, len(train_loader))
    trainer = Trainer(
        model,
        optimizer,
        criterion,
        scheduler=scheduler,
        schedule_by=schedule_by,
        run_dir=args.run_dir,
        device=args.device,
        cuda_graph=True,
        name=f"{args.model} on {args.folder.name}",
        classes=pictures.classes,
    )
    if args.resume:
        try:
            trainer.resume()
        except RuntimeError as error:  # made with other arguments, or damaged
            raise SystemExit(str(error)) from None
    try:
        trainer.fit(train_loader, test_loader, recipe.epochs)
    except TrainingInterrupted:
        raise SystemExit(f"Stopped. What was learned is in {args.run_dir}; go on with --resume.") from None
    print_classes(trainer.evaluate(test_loader), pictures.classes)
    print(f"weights: {args.run_dir / 'best.safetensors'}, curves: {args.run_dir / 'curves.png'}")


def print_classes(figures, classes):
    """How many of each class were named right, and what the others were most often taken for."""
    width, digits = max(map(len, classes)), len(str(figures["samples"]))
    for index, (name, row) in enumerate(zip(classes, figures["confusion"].tolist(), strict=True)):
        right, total = row[index], sum(row)
        row[index] = 0
        mistaken = f", most often taken for {classes[row.index(max(row))]}" if any(row) else ""
        print(f"{name:{width}}  {right:{digits}} of {total:{digits}} right{mistaken}")
    print(f"{'all':{width}}  {figures['top1']:.1%} of {figures['samples']} test pictures named right")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder with a folder of pictures for each class")
    parser.add_argument("--model", default="resnet18", help="default %(default)s")
    parser.add_argument("--weights", type=Path, help="file with the trained weights of the model")
    parser.add_argument("--all", action="store_true", help="train every layer, not only the new one")
    parser.add_argument("--strict", action="store_true", help="refuse damaged pictures instead of leaving them out")
    parser.add_argument("--size", type=int, default=224, help="side of what the network sees, default %(default)s")
    parser.add_argument("--epochs", type=int, default=5, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=0.01, help="peak of the one-cycle schedule, default %(default)s")
    parser.add_argument("--batch-size", type=int, default=32, help="default %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes that read pictures, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/imagefolder"), help="default %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, default %(default)s")
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is not a folder")
    if min(args.size, args.epochs, args.batch_size) < 1 or args.workers < 0 or not args.lr > 0:
        parser.error("--size, --epochs and --batch-size must be at least 1, --workers at least 0, --lr more than 0")
    if args.resume and not (args.run_dir / "checkpoint.pt").exists():
        parser.error(f"--resume: there is no run in {args.run_dir}; start one without --resume first")
    args.frozen = args.weights is not None and not args.all
    return args


if __name__ == "__main__":
    main()
