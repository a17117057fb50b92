"""How exact float32 is: the gradients of whole networks beside those in float64, for minigrad and for PyTorch.

python -m benchmarks.exactness                 all networks: the table, and results/exactness.json
python -m benchmarks.exactness resnet lenet    the cases whose names begin so
python -m benchmarks.exactness --isa avx2      as on a processor with AVX2, without AVX-512

Both libraries take one step's gradients from the same weights and pictures in float32. The truth is PyTorch's float64,
or minigrad's where --alone. A parameter's error is |g - truth| / |truth|, of Euclidean norms; a network's is the median
over its parameters, and the table shows the median over some seeds, because a ReLU or a maximum that falls the other
way in float32 makes a jump. Left out are parameters whose gradient is zero but for rounding, such as a bias before a
batch norm. "Over PyTorch" is what matters: above 1.5 an algorithm of ours is not good enough.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from rich.table import Table

from benchmarks import runner
from benchmarks.cases import CASES, Case, choose
from benchmarks.report import console

NETWORKS = CASES | {
    "resnet20-32": Case("ResNet-20", "resnet20", 64, 3, 32),
    "mobilenet_v2-96": Case("MobileNet V2", "mobilenet_v2", 8, 3, 96),
}
ZERO = 1e-9  # of the largest gradient's norm: what float64 leaves of a gradient that is zero


def main() -> None:
    arguments = parse_arguments()
    path = arguments.output / f"{runner.act_as(arguments.isa, 'exactness')}.json"
    results = {
        "machine": runner.describe_machine(arguments.threads, with_limits=False),
        "seeds": arguments.seeds,
        "networks": {},
    }
    table = Table("network", "minigrad", "PyTorch", "over PyTorch", title="Median error of float32 gradients")
    for name in arguments.cases:
        case = NETWORKS[name]
        with console.status(str(case)):
            errors = [measure(case, seed, arguments) for seed in range(arguments.seeds)]
        row = {library: [error[library] for error in errors] for library in errors[0]}
        results["networks"][name] = {"title": str(case), "errors": row}
        typical = {library: median(values) for library, values in row.items()}
        cells = [f"{value:.1e}" for value in typical.values()]
        if "PyTorch" in typical:
            results["networks"][name]["over PyTorch"] = typical["minigrad"] / typical["PyTorch"]
            cells.append(f"{results['networks'][name]['over PyTorch']:.2f}")
        table.add_row(str(case), *cells)
        runner.save(results, path)
    console.print(table)
    console.print(f"Written: {path}", soft_wrap=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exactness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", nargs="*", help=f"of {', '.join(NETWORKS)}; default all")
    parser.add_argument("--isa", choices=runner.INSTRUCTION_SETS, default="native", help="default %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=min(2, runner.available_cores()), help="default %(default)s")
    parser.add_argument("--alone", action="store_true", help="minigrad only, where PyTorch is not installed")
    parser.add_argument("--output", type=Path, help="folder; default benchmarks/results, or runs/benchmarks for some")
    arguments = parser.parse_args()
    try:
        arguments.cases = choose(arguments.case, NETWORKS)
    except ValueError as error:
        parser.error(str(error))
    if not arguments.alone and not runner.peers_installed():
        parser.error("PyTorch is not installed: pip install 'minigrad[bench]', or measure minigrad --alone")
    if min(arguments.seeds, arguments.threads) < 1:
        parser.error("--seeds and --threads must be at least 1")
    if arguments.output is None:
        arguments.output = runner.results_folder(not (arguments.case or arguments.alone))
    return arguments


def measure(case: Case, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """The median error of each library's float32 gradients."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.npz")

        def gradients(package: str, dtype: str) -> dict[str, np.ndarray]:
            file = Path(folder, f"{package}-{dtype}.npz")
            words = case.model, case.batch, case.channels, case.size, seed, dtype, weights, file
            runner.run("gradients", words, runner.environment(package, arguments.threads))
            with np.load(file) as stored:
                return dict(stored)

        truth = gradients("minigrad" if arguments.alone else "torch", "float64")
        errors = {"minigrad": error(gradients("minigrad", "float32"), truth)}
        if not arguments.alone:
            errors["PyTorch"] = error(gradients("torch", "float32"), truth)
    return errors


def error(found: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> float:
    """The median over the parameters of |found - truth| / |truth|, without gradients that are zero but for rounding."""
    norms = {name: np.linalg.norm(value.ravel()) for name, value in truth.items() if name != "loss"}
    large = [name for name, norm in norms.items() if norm > ZERO * max(norms.values())]
    return float(median(np.linalg.norm((found[name] - truth[name]).ravel()) / norms[name] for name in large))


if __name__ == "__main__":
    main()
