"""Train LeNet-5 on Fashion-MNIST: data, model, training, and a picture of what was learned.

python examples/lenet_fashion_mnist.py             12 epochs; some 91 of 100 test pictures are named right
python examples/lenet_fashion_mnist.py --resume    go on exactly where Ctrl-C stopped it
"""

import argparse
from pathlib import Path

import minigrad as mg
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR
from minigrad.study import plot_training
from minigrad.train import Trainer, TrainingInterrupted
from minigrad.train.evaluation import predict
from minigrad.vision.datasets import FashionMNIST, FashionMNISTSample
from minigrad.vision.models import LeNet5


def main():
    args, parser = parse_arguments()
    checkpoint, weights = args.run_dir / "checkpoint.pt", args.run_dir / "best.safetensors"
    if args.resume and not checkpoint.exists():
        parser.error(f"--resume: there is no {checkpoint}; start a run without --resume first")

    mg.manual_seed(args.seed)
    train, test, classes = load_data(args.data, args.root)
    train_loader = DataLoader(train, args.batch_size, shuffle=True, prefetch_factor=2)
    test_loader = DataLoader(test, batch_size=1000)
    model = LeNet5().to(args.device)
    optimizer = SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4)
    scheduler = OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(train_loader))

    trainer = Trainer(
        model,
        optimizer,
        scheduler=scheduler,
        run_dir=args.run_dir,
        cuda_graph=True,
        name="LeNet-5 on Fashion-MNIST",
    )
    trainer.setup |= {name: getattr(args, name) for name in ("epochs", "batch_size", "lr", "seed", "data")}
    if args.resume:
        try:
            trainer.resume()
        except RuntimeError as error:  # made with other arguments, or damaged
            parser.error(str(error))
    try:
        history = trainer.fit(train_loader, test_loader, args.epochs)
    except TrainingInterrupted:
        raise SystemExit(f"Stopped. What was learned is in {checkpoint}; go on with --resume.") from None

    model.load_state_dict(mg.load(weights))
    probabilities, labels = predict(model, test_loader)
    picture, accuracy = args.run_dir / "training.png", max(row["validation_top1"] for row in history)
    title = f"{trainer.name}: {accuracy:.1%} of {len(test):,} test images named right"
    plot_training(picture, history, probabilities, labels, test.tensors[0].squeeze(1), classes, title)
    print(
        f"{accuracy:.2%} test accuracy after {args.epochs} epochs in {sum(row['seconds'] for row in history):.0f} s; "
        f"weights: {weights}, picture: {picture}"
    )


def load_data(name, root):
    """Training and test set, pictures (N, 1, 28, 28) with mean 0 and deviation 1, and the classes' names."""
    try:
        if name == "sample":
            sets = [FashionMNISTSample(train) for train in (True, False)]
        else:
            sets = [FashionMNIST(root, train, download=True) for train in (True, False)]
    except RuntimeError as error:
        print(f"{error}\nGoing on with the sample of 6,000 pictures that comes with minigrad.")
        return load_data("sample", root)
    pairs = [TensorDataset((s.data.unsqueeze(1).float() / 255 - 0.286) / 0.353, s.targets) for s in sets]
    return *pairs, sets[0].classes


def parse_arguments():
    parser = argparse.ArgumentParser(description="Train LeNet-5 on Fashion-MNIST.")
    parser.add_argument("--epochs", type=int, default=12, help="default %(default)s")
    parser.add_argument("--batch-size", type=int, default=128, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=0.1, help="peak of the one-cycle schedule, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--data", choices=["full", "sample"], default="full", help="sample: 6,000 + 1,000 pictures")
    parser.add_argument("--root", help="folder with the data set's files, where they are not in a usual place")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/lenet"), help="default %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, default %(default)s")
    args = parser.parse_args()
    if min(args.epochs, args.batch_size) < 1 or not args.lr > 0:
        parser.error("--epochs and --batch-size must be at least 1, --lr more than 0")
    return args, parser


if __name__ == "__main__":
    main()
