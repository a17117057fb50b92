"""Train LeNet-5 on Fashion-MNIST: data, model, loop, and a picture of what was learned.

python examples/lenet_fashion_mnist.py             12 epochs; some 91 of 100 test pictures are named right
python examples/lenet_fashion_mnist.py --resume    go on exactly where Ctrl-C stopped it
"""

import argparse
import signal
import time
from pathlib import Path

from rich.progress import BarColumn, Progress, TimeRemainingColumn

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR
from minigrad.study import plot_training
from minigrad.vision.datasets import FashionMNIST, FashionMNISTSample
from minigrad.vision.models import LeNet5


def main():
    args, parser = parse_arguments()
    checkpoint, weights = args.run_dir / "checkpoint.pt", args.run_dir / "best.safetensors"
    if args.resume and not checkpoint.exists():
        parser.error(f"--resume: there is no {checkpoint}; start a run without --resume first")
    args.run_dir.mkdir(parents=True, exist_ok=True)

    mg.manual_seed(args.seed)
    train, test, classes = load_data(args.data, args.root)
    loader = DataLoader(train, args.batch_size, shuffle=True, prefetch_factor=2)
    model = LeNet5()
    criterion = nn.CrossEntropyLoss()
    optimizer = SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4)
    scheduler = OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(loader))

    setup = {name: getattr(args, name) for name in ("epochs", "batch_size", "lr", "seed", "data")}
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    run = {"history": [], "seconds": 0.0, "seen": 0, "loss": 0.0, "right": 0}
    if args.resume:
        saved = mg.load(checkpoint)
        if saved["setup"] != setup:
            parser.error(f"--resume: {checkpoint} was made with {saved['setup']}, not with {setup}")
        run = saved["run"]
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        mg.set_rng_state(saved["rng"])

    def save():
        state = {name: part.state_dict() for name, part in parts.items()}
        mg.save({"setup": setup, "run": run, "rng": mg.get_rng_state(), **state}, checkpoint)

    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))  # the step is finished first, then all is saved
    columns = "{task.description}", BarColumn(8), "{task.fields[figures]}", TimeRemainingColumn(compact=True)
    with Progress(*columns) as progress:
        for epoch in range(len(run["history"]), args.epochs):
            bar = progress.add_task(f"epoch {epoch + 1:2}/{args.epochs}", total=len(train), figures="")
            started, seen_before = time.perf_counter(), run["seen"]
            model.train()
            for images, labels in loader:
                logits = model(images)
                loss = criterion(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()

                run["seen"] += len(labels)
                run["loss"] += loss.item() * len(labels)
                run["right"] += (logits.argmax(dim=1) == labels).sum().item()
                row = {"loss": run["loss"] / run["seen"], "accuracy": run["right"] / run["seen"]}
                speed = (run["seen"] - seen_before) / (time.perf_counter() - started)
                figures = f"loss {row['loss']:.3f} accuracy {row['accuracy']:.1%} {speed:,.0f} images/s"
                progress.update(bar, completed=run["seen"], figures=figures)
                if stop:
                    break
            run["seconds"] += time.perf_counter() - started
            if stop:
                save()
                progress.stop()
                raise SystemExit(f"Stopped. What was learned is in {checkpoint}; go on with --resume.")

            probabilities = predict(model, test)
            row["test_accuracy"] = (probabilities.argmax(dim=1) == test.tensors[1]).float().mean().item()
            progress.update(bar, figures=f"{figures} test {row['test_accuracy']:.1%}")
            if row["test_accuracy"] > max([past["test_accuracy"] for past in run["history"]], default=0.0):
                mg.save(model.state_dict(), weights)
            run = {"history": [*run["history"], row], "seconds": run["seconds"], "seen": 0, "loss": 0.0, "right": 0}
            save()

    model.load_state_dict(mg.load(weights))
    picture, best = args.run_dir / "training.png", max(row["test_accuracy"] for row in run["history"])
    images, targets = test.tensors
    title = f"LeNet-5 on Fashion-MNIST: {best:.1%} of {len(test):,} test images named right"
    plot_training(picture, run["history"], predict(model, test), targets, images.squeeze(1), classes, title)
    print(
        f"{best:.2%} test accuracy after {args.epochs} epochs in {run['seconds']:.0f} s; "
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


@mg.no_grad()
def predict(model, dataset):
    """The probabilities (N, classes) for a whole data set."""
    model.eval()
    return mg.cat([model(images) for images, _ in DataLoader(dataset, batch_size=1000)]).softmax(dim=1)


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
    args = parser.parse_args()
    if min(args.epochs, args.batch_size) < 1 or not args.lr > 0:
        parser.error("--epochs and --batch-size must be at least 1, --lr more than 0")
    return args, parser


if __name__ == "__main__":
    main()
