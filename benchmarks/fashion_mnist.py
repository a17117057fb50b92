"""Train on Fashion-MNIST with minigrad and with PyTorch: the accuracy reached, and the time it took.

python -m benchmarks.fashion_mnist             LeNet-5, 12 epochs, as examples/lenet_fashion_mnist.py trains
python -m benchmarks.fashion_mnist --seeds 5   five trainings with each library, for the accuracy's scatter
python -m benchmarks.fashion_mnist vgg11_bn    VGG-11 with batch norm, 3 epochs of the first 12,000 pictures

The same program in two processes, which take turns epoch by epoch: one waits while the other trains. Batches of 128
drawn without a loader in both, SGD with momentum 0.9 and weight decay 5e-4, one cycle up to the network's peak rate.
Seconds are those of training alone, without start and evaluation. Written to results/fashion_mnist-NETWORK.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from rich.table import Table

from benchmarks import runner
from benchmarks.report import console
from benchmarks.runner import MINIGRAD, PEERS, Contender


@dataclass(frozen=True)
class Network:
    title: str
    model: str  # its name in benchmarks.models
    peak_rate: float
    epochs: int
    images: int  # of the training set
    border: int  # of zeros around a picture


NETWORKS = {
    "lenet": Network("LeNet-5", "lenet5", 0.1, 12, 60_000, 0),
    "vgg11_bn": Network("VGG-11 with batch norm", "vgg11_bn_small", 0.05, 3, 12_000, 2),
}


def main() -> None:
    arguments = parse_arguments()
    name = runner.act_as(arguments.isa, f"fashion_mnist-{arguments.network}")
    network = NETWORKS[arguments.network]
    contenders = [MINIGRAD] if arguments.alone else [MINIGRAD, PEERS[0]]
    results = {
        "machine": runner.describe_machine(arguments.threads, with_limits=False),
        "network": network.title,
        "images": network.images,
        "epochs": arguments.epochs,
        "runs": {contender.name: [] for contender in contenders},
    }
    path = arguments.output / f"{name}.json"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        write_data(data, network)
        for seed in range(arguments.seeds):
            for name, epochs in train_in_turns(contenders, data, arguments, seed).items():
                results["runs"][name].append({"seed": seed, "epochs": epochs} | summary(epochs))
            runner.save(results, path)
    console.print(table(results))
    console.print(f"Written: {path}", soft_wrap=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fashion_mnist",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("network", nargs="?", choices=NETWORKS, default="lenet", help="default %(default)s")
    parser.add_argument("--epochs", type=int, help="default 12 for lenet, 3 for vgg11_bn")
    parser.add_argument("--seeds", type=int, default=1, help="trainings with each library, default %(default)s")
    parser.add_argument("--threads", type=int, default=min(2, runner.available_cores()), help="default %(default)s")
    parser.add_argument("--isa", choices=runner.INSTRUCTION_SETS, default="native", help="default %(default)s")
    parser.add_argument("--alone", action="store_true", help="minigrad only, where PyTorch is not installed")
    parser.add_argument(
        "--output", type=Path, help="folder; default benchmarks/results, or runs/benchmarks for another --epochs"
    )
    arguments = parser.parse_args()
    usual_epochs = NETWORKS[arguments.network].epochs
    if arguments.epochs is None:
        arguments.epochs = usual_epochs
    if min(arguments.epochs, arguments.seeds, arguments.threads) < 1:
        parser.error("--epochs, --seeds and --threads must be at least 1")
    if not arguments.alone and not runner.peers_installed():
        parser.error("PyTorch is not installed: pip install 'minigrad[bench]', or measure minigrad --alone")
    if arguments.output is None:
        whole = arguments.epochs == usual_epochs and not arguments.alone
        arguments.output = runner.results_folder(whole)
    return arguments


def write_data(path: Path, network: Network) -> None:
    """Fashion-MNIST as the file both programs read: uint8 pictures (N, H, W), int64 labels (N,)."""
    import numpy as np

    from minigrad.vision.datasets import FashionMNIST

    train, test = (FashionMNIST(train=train, download=True) for train in (True, False))
    border = (0, 0), (network.border,) * 2, (network.border,) * 2
    count = network.images
    np.savez(
        path,
        train=np.pad(train.data.numpy()[:count], border),
        train_labels=train.targets.numpy()[:count],
        test=np.pad(test.data.numpy(), border),
        test_labels=test.targets.numpy(),
    )


def train_in_turns(contenders: list[Contender], data: Path, arguments: argparse.Namespace, seed: int) -> dict:
    """What each program said after each of its epochs."""
    network = NETWORKS[arguments.network]
    said = {contender.name: [] for contender in contenders}
    with ExitStack() as stack, console.status("") as status:
        processes = {}
        for contender in contenders:
            words = network.model, network.peak_rate, data, arguments.epochs, seed
            command = [sys.executable, "-m", "benchmarks.training", *map(str, words)]
            processes[contender.name] = process = subprocess.Popen(
                command,
                cwd=runner.ROOT,
                env=runner.environment(contender.package, arguments.threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
        for epoch in range(arguments.epochs):
            for name, process in processes.items():
                status.update(f"seed {seed}, epoch {epoch + 1} of {arguments.epochs}: {name}")
                process.stdin.write("epoch\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"{name} stopped in epoch {epoch + 1}; see above")
                said[name].append(json.loads(line))
    return said


def summary(epochs: list[dict]) -> dict:
    accuracies = [epoch["test_accuracy"] for epoch in epochs]
    return {
        "final_accuracy": accuracies[-1],
        "best_accuracy": max(accuracies),
        "seconds": sum(epoch["seconds"] for epoch in epochs),
        "peak memory": epochs[-1]["peak memory"],
    }


def table(results: dict) -> Table:
    """Means over the seeds, and the range of the accuracy reached."""
    table = Table(title=f"{results['network']} on Fashion-MNIST, {results['epochs']} epochs", title_justify="left")
    table.add_column("")
    for column in "final accuracy", "best accuracy", "training", "an epoch", "peak memory":
        table.add_column(column, justify="right")
    for name, runs in results["runs"].items():
        final = [run["final_accuracy"] for run in runs]
        spread = f" ({min(final):.2%} to {max(final):.2%})" if len(final) > 1 else ""
        table.add_row(
            name,
            f"{mean(final):.2%}{spread}",
            f"{mean(run['best_accuracy'] for run in runs):.2%}",
            f"{mean(run['seconds'] for run in runs):.1f} s",
            f"{median(epoch['seconds'] for run in runs for epoch in run['epochs']):.2f} s",
            f"{mean(run['peak memory'] for run in runs) / 2**20:,.0f} MiB",
        )
    return table


if __name__ == "__main__":
    main()
