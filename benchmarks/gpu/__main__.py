"""Test minigrad's CUDA kernels on the GPU that is there, and measure them beside PyTorch.

python -m benchmarks.gpu                 everything, in at most 8 minutes
python -m benchmarks.gpu --quick         the most valuable part of it, in 2 minutes
python -m benchmarks.gpu tests lenet     the parts whose names begin so
python -m benchmarks.gpu --dry           the whole command on the simulator, tiny, to see that it works

Needs a Python with PyTorch, CuPy, NumPy and pytest, and the checkout; nothing is installed. First come the tests of
tests/cuda, on the GPU: kernels against float64, networks against PyTorch on the same weights, graph replays against
eager steps, the PTX helpers; small cases under compute-sanitizer where there is one. Kernel files whose every kernel
passed are recorded in kernels/cuda/verified.json. Then, as far as the time goes: the training step, inference and peak
memory of networks, minigrad eager and as one CUDA graph beside PyTorch eager, with channels_last and cudnn.benchmark,
and both as CUDA graphs; and each convolution's passes beside cuDNN and beside the GPU's measured limits.

A case is a process for each library; they take turns, and a crash or a hang costs that case only. Times are medians
between CUDA events; a ratio is PyTorch's figure over minigrad's in the same round, so above 1 minigrad is ahead.
What did not fit into the time is named.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from benchmarks import runner
from benchmarks.cases import choose
from benchmarks.gpu import suite
from benchmarks.gpu.cases import CHECKS, MEASURED, Network, Tf32
from benchmarks.gpu.measure import measure_layers, measure_limits, measure_network
from benchmarks.gpu.report import say, show_layers, show_network, show_tests

# How much of each: rounds of turns, seconds of a measurement, and the size of what the limits are read off.
FULL = {"rounds": 5, "seconds": 0.2, "layer_rounds": 3, "layer_seconds": 0.03}
FULL["limits"] = {"size": 8192, "bytes": 2**30, "seconds": 0.5}
QUICK = FULL | {"rounds": 2, "layer_rounds": 1}
DRY = {"rounds": 1, "seconds": 0.0, "layer_rounds": 1, "layer_seconds": 0.0}
DRY["limits"] = {"size": 64, "bytes": 2**16, "seconds": 0.0}

# Seconds that a part may take at most, and the fewest that it is begun with (a library takes some 5 to start).
MOST = {"tests": 170.0, "sanitizer": 40.0, "case": 40.0}
MOST_QUICK = {"tests": 50.0, "sanitizer": 0.0, "case": 20.0}
FEWEST = 10.0
LIMITS_SECONDS = 30.0

# In a rehearsal: one file of quick tests, and of the networks and layers one of each kind.
DRY_TESTS = "test_ptx.py"
DRY_CASES = ["lenet-256", "layers-vgg11-32"]


def main() -> None:
    arguments = parse_arguments()
    environment = {"MINIGRAD_CUDA_SIMULATOR": "1" if arguments.dry else "0"}
    if arguments.dry:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    results = describe(arguments, environment)
    path = arguments.output / "gpu.json"
    command = Command(arguments, environment, results, path)
    for name in arguments.cases:
        command.run(name)
    for name, why in results["not_measured"].items():
        say(f"Not measured: {name}: {why}")
    command.draw()
    say(f"Written: {path}, after {time.monotonic() - command.begin:.0f} s")
    if command.failed:
        sys.exit(1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", nargs="*", help=f"of {', '.join([*CHECKS, *MEASURED])}; default all")
    parser.add_argument("--minutes", type=float, help="that all may take; default 8, with --quick 2")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="fewer rounds, and less time")
    kind.add_argument("--dry", action="store_true", help="rehearse on the simulator; the figures mean nothing")
    parser.add_argument(
        "--output", type=Path, help="folder; default benchmarks/results, or runs/benchmarks if it is not all"
    )
    arguments = parser.parse_args()
    try:
        arguments.cases = choose(arguments.case, [*CHECKS, *MEASURED])
    except ValueError as error:
        parser.error(str(error))
    arguments.minutes = arguments.minutes or (2.0 if arguments.quick else 8.0)
    if arguments.minutes <= 0:
        parser.error("--minutes must be more than 0")
    if not arguments.dry:
        why = why_no_gpu()
        if why:
            parser.error(f"{why}\n--dry rehearses the whole command on the simulator")
    if arguments.dry and not arguments.case:
        arguments.cases = [*CHECKS, *DRY_CASES]
    if arguments.output is None:
        whole = not (arguments.quick or arguments.dry or arguments.case)
        arguments.output = runner.results_folder(whole)
    return arguments


def why_no_gpu() -> str:
    """In one line, or "". Asked in another process: this one shall hold nothing on the GPU."""
    command = [sys.executable, "-c", "import benchmarks; from minigrad.device import cuda_backend; cuda_backend()"]
    env = os.environ | {"MINIGRAD_CUDA_SIMULATOR": "0"}
    done = subprocess.run(command, cwd=runner.ROOT, env=env, capture_output=True, text=True, timeout=120)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def describe(arguments: argparse.Namespace, environment: dict) -> dict:
    """The machine, the GPU and the settings, as the results begin."""
    machine = runner.describe_machine(runner.available_cores(), with_limits=False)
    machine["versions"] |= {"cupy": _version("cupy-cuda13x", "cupy-cuda12x", "cupy"), "pytest": _version("pytest")}
    return {
        "rehearsal": arguments.dry,
        "machine": machine,
        "device": {"name": "simulator", "driver": None} if arguments.dry else describe_device(),
        "settings": {
            "tf32": f"PyTorch's defaults where a case does not say otherwise: {Tf32()}",
            "channels_last": "with torch.backends.cudnn.benchmark = True",
            "step": "zero_grad, forward, cross-entropy, backward, SGD with momentum 0.9 and weight decay 5e-4",
        },
        "not_measured": {},
        "networks": {},
        "layers": {},
    }


def describe_device() -> dict:
    """As nvidia-smi has it."""
    fields = ["name", "driver_version", "memory.total", "clocks.max.sm", "clocks.max.memory", "power.limit"]
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {"name": f"a GPU of {platform.node()}", "driver": None}
    words = [word.strip() for word in done.stdout.split(",")]
    names = ["name", "driver", "memory", "highest clock", "highest memory clock", "power limit"]
    return dict(zip(names, words, strict=False))


def _version(*packages: str) -> str | None:
    """Of the first that is installed."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


class Command:
    """The parts of the command, each within its time; results are written after every figure."""

    def __init__(self, arguments: argparse.Namespace, environment: dict, results: dict, path: Path):
        self.arguments, self.environment, self.results, self.path = arguments, environment, results, path
        self.begin = time.monotonic()
        self.until = self.begin + 60 * arguments.minutes
        self.effort = DRY if arguments.dry else QUICK if arguments.quick else FULL
        self.most = MOST_QUICK if arguments.quick else MOST
        self.libraries = ["minigrad"]
        if find_spec("torch") is None:
            results["not_measured"]["PyTorch"] = "it is not installed"
        else:
            self.libraries.append("torch")
        self.outcomes: list[suite.Outcome] = []
        self.limits_tried = False

    @property
    def failed(self) -> bool:
        return any(outcome.ended != "ok" and not outcome.ended.startswith("not run") for outcome in self.outcomes)

    def save(self) -> None:
        runner.save(self.results, self.path)

    def run(self, name: str) -> None:
        """A part, by its name; what goes wrong in it is said and kept, and the next one follows."""
        kind = name if name in CHECKS else "case"
        left = self.until - time.monotonic()
        if min(left, self.most[kind]) < FEWEST:
            self.results["not_measured"][name] = "out of time" if left < FEWEST else "left out with --quick"
            self.save()
            return
        until = time.monotonic() + min(left, self.most[kind])
        say(f"{name}: {min(left, self.most[kind]):.0f} of {left:.0f} s that are left")
        try:
            if kind == "case":
                self.measure(name, until)
            else:
                self.check(name, until)
        except (OSError, RuntimeError) as error:
            self.results["not_measured"][name] = str(error)
        self.save()

    def check(self, name: str, until: float) -> None:
        """Tests, or small ones of them under a memory checker; then the record of kernels that passed."""
        paths, options, before = suite.files(), [], []
        environment = self.environment
        if self.arguments.dry:
            paths = [path for path in paths if path.name == DRY_TESTS]
        if name == "sanitizer":
            if self.arguments.dry or shutil.which(suite.SANITIZER[0]) is None:
                raise RuntimeError(f"there is no {suite.SANITIZER[0]}")
            paths = [path for path in paths if path.name in suite.SANITIZED_FILES]
            options, before = ["-k", suite.SANITIZED], suite.SANITIZER
            environment = environment | {"MINIGRAD_TEST_WITHOUT_POOL": "1"}
        begin = time.monotonic()
        outcomes = suite.run_files(paths, until, environment, self.path.parent / "gpu-tests", options, before)
        tests = {"seconds": time.monotonic() - begin, "files": [outcome.summary() for outcome in outcomes]}
        self.results[name] = tests
        show_tests(name, tests)
        self.outcomes += outcomes
        passed = suite.verified_files(self.outcomes)
        self.results["verified"] = passed
        say(f"Every kernel of these files passed: {', '.join(passed) or 'none'}")
        if not self.arguments.dry:
            self.record(passed)

    def record(self, passed: list[str]) -> None:
        """Into verified.json; a file that was in it and has now failed, in whatever way, is taken out."""
        from minigrad.kernels.cuda import verified

        bad = {file for outcome in self.outcomes for file, _ in outcome.bad}
        verified.write(passed, self.results["device"]["name"], forget=bad)

    def measure(self, name: str, until: float) -> None:
        part = MEASURED[name].tiny() if self.arguments.dry else MEASURED[name]
        if not self.limits_tried:
            self.measure_limits()
        if isinstance(part, Network):
            row = self.results["networks"][name] = {}
            measure_network(part, row, self.libraries, self.effort, until, self.environment, self.save)
            show_network(row)
        else:
            row = self.results["layers"][name] = {}
            ceilings = self.results.get("limits")
            measure_layers(part, row, self.libraries, self.effort, until, self.environment, self.save, ceilings)
            show_layers(row)

    def measure_limits(self) -> None:
        self.limits_tried = True
        if "torch" not in self.libraries:
            return
        try:
            until = min(self.until, time.monotonic() + LIMITS_SECONDS)
            limits = self.results["limits"] = measure_limits(self.effort, until, self.environment)
        except RuntimeError as error:
            self.results["not_measured"]["limits"] = str(error)
            return
        say(
            f"Limits, through PyTorch on {limits['device']}: {limits['tf32_flop_per_second'] / 1e12:.1f} TFLOP/s with "
            f"TF32, {limits['fp32_flop_per_second'] / 1e12:.1f} without; "
            f"{limits['copy_bytes_per_second'] / 1e9:.0f} GB/s copying"
        )

    def draw(self) -> None:
        if not any(row.get("ratios") for row in self.results["networks"].values()):
            return
        try:
            from benchmarks.charts import draw_gpu
        except ModuleNotFoundError as error:
            say(f"No chart: {error}")
            return
        draw_gpu(self.results, self.path.with_suffix(""))


if __name__ == "__main__":
    main()
