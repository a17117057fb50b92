"""Test minigrad's CUDA kernels on the GPU that is there, and measure them beside PyTorch, in two commands.

python -m benchmarks.gpu tests              every kernel, in at most 8 minutes
python -m benchmarks.gpu figures            times and rates, in at most 8 minutes
python -m benchmarks.gpu figures lenet      the parts whose names begin so
python -m benchmarks.gpu figures --dry      the command on the simulator, tiny, to see that it works

Needs a Python with CuPy, NumPy and pytest, PyTorch to compare with, and the checkout; nothing is installed, and nothing
is compiled by Numba. README.md beside this file says what each command does, and what it leaves behind.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import runner
from benchmarks.cases import choose
from benchmarks.gpu import suite
from benchmarks.gpu.cases import CHECKS, MEASURED, Calibration, Layers, Network, Profile, Tf32
from benchmarks.gpu.measure import (
    measure_calibration,
    measure_layers,
    measure_limits,
    measure_network,
    measure_profile,
)
from benchmarks.gpu.report import say, show_layers, show_network, show_profile, show_tests

# How much of each: rounds of turns, seconds of a measurement, and the size of what the limits are read off.
FULL = {"rounds": 5, "seconds": 0.2, "layer_rounds": 3, "layer_seconds": 0.03}
FULL["limits"] = {"size": 8192, "bytes": 2**30, "seconds": 0.5}
DRY = {"rounds": 1, "seconds": 0.0, "layer_rounds": 1, "layer_seconds": 0.0}
DRY["limits"] = {"size": 64, "bytes": 2**16, "seconds": 0.0}

# Seconds that a part may take at most, and the fewest that it is begun with (a library takes some 5 to start).
MOST = {"tests": 420.0, "sanitizer": 60.0, "case": 40.0, "compiled": 60.0}
FEWEST = 10.0
LIMITS_SECONDS = 30.0
WORDS = 4_000_000  # characters of what tests said, at most

# In a rehearsal: one file of quick tests, and of the parts that are measured one of each kind.
DRY_TESTS = "test_ptx.py"
DRY_CASES = ["calibration", "bandwidth", "lenet-256", "profile-resnet18-32", "layers-vgg11-32"]

NEEDED, COMPARED = ("numpy", "cupy", "pytest"), "torch"
PACKAGES = {"cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy")}


def main() -> None:
    arguments = parse_arguments()
    environment = {"MINIGRAD_CUDA_SIMULATOR": "1" if arguments.dry else "0"}
    if arguments.dry:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    results = describe(arguments)
    kind = Tests if arguments.command == "tests" else Figures
    command = kind(arguments, environment, results)
    for name in arguments.cases:
        command.run(name)
    command.finish()
    for name, why in results["not_measured"].items():
        say(f"Not done: {name}: {why}")
    for path in command.written:
        say(f"Written: {path}")
    say(f"After {time.monotonic() - command.begin:.0f} s")
    if command.failed:
        sys.exit(1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["tests", "figures"])
    parser.add_argument("case", nargs="*", help=f"tests: {', '.join(CHECKS)}; figures: {', '.join(MEASURED)}")
    parser.add_argument("--minutes", type=float, default=8.0, help="that all may take; default 8")
    parser.add_argument("--dry", action="store_true", help="rehearse on the simulator; the figures mean nothing")
    parser.add_argument(
        "--output", type=Path, help="folder; default benchmarks/results, or runs/benchmarks if it is not all"
    )
    arguments = parser.parse_intermixed_args()
    try:
        arguments.cases = choose(arguments.case, CHECKS if arguments.command == "tests" else MEASURED)
    except ValueError as error:
        parser.error(str(error))
    if arguments.minutes <= 0:
        parser.error("--minutes must be more than 0")
    missing = check_imports(arguments.dry)
    if missing:
        parser.error(missing)
    if not arguments.dry:
        why = why_no_gpu()
        if why:
            parser.error(f"{why}\n--dry rehearses the command on the simulator")
    if arguments.dry and not arguments.case and arguments.command == "figures":
        arguments.cases = DRY_CASES
    if arguments.output is None:
        arguments.output = runner.results_folder(whole=not (arguments.dry or arguments.case))
    return arguments


def check_imports(dry: bool) -> str:
    """Import what the command needs, each in a process of its own, and say a line of each; what is missing, or ""."""
    names = [name for name in (*NEEDED, COMPARED) if not (dry and name == "cupy")]
    with ThreadPoolExecutor(len(names)) as pool:
        found = dict(zip(names, pool.map(_import, names), strict=True))
    for name, (works, words) in found.items():
        say(f"{name}: {words}" + ("" if works or name in NEEDED else "; nothing is compared with it"))
    bad = [name for name in NEEDED if name in found and not found[name][0]]
    return f"{', '.join(bad)}: cannot be imported, see above" if bad else ""


def _import(name: str) -> tuple[bool, str]:
    """Whether it can be, and its version or the end of what Python said."""
    command = [sys.executable, "-c", f"import {name}; print({name}.__version__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return False, "the import takes more than two minutes"
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    return not done.returncode, lines[-1] if lines else f"exit status {done.returncode}"


def why_no_gpu() -> str:
    """In one line, or "". Asked in another process: this one shall hold nothing on the GPU."""
    command = [sys.executable, "-c", "import benchmarks; from minigrad.device import cuda_backend; cuda_backend()"]
    env = os.environ | {"MINIGRAD_CUDA_SIMULATOR": "0"}
    done = subprocess.run(command, cwd=runner.ROOT, env=env, capture_output=True, text=True, timeout=120)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def describe(arguments: argparse.Namespace) -> dict:
    """The machine, the GPU and the settings, as the results begin."""
    machine = runner.describe_machine(runner.available_cores(), with_limits=False)
    machine["versions"] |= {name: _version(*PACKAGES.get(name, (name,))) for name in (*NEEDED, COMPARED)}
    return {
        "rehearsal": arguments.dry,
        "machine": machine,
        "device": {"name": "simulator", "driver": None} if arguments.dry else describe_device(),
        "not_measured": {},
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
    """Parts, each within its time; the results are written whenever something is known."""

    file: str  # of the results
    failed = False

    def __init__(self, arguments: argparse.Namespace, environment: dict, results: dict):
        self.arguments, self.environment, self.results = arguments, environment, results
        self.path = arguments.output / self.file
        self.begin = time.monotonic()
        self.until = self.begin + 60 * arguments.minutes
        self.written: list[Path] = [self.path]

    def save(self) -> None:
        runner.save(self.results, self.path)

    def run(self, name: str) -> None:
        """A part, by its name; what goes wrong in it is said and kept, and the next one follows."""
        left = self.until - time.monotonic()
        most = self.most(name)
        if left < FEWEST:
            self.results["not_measured"][name] = "out of time"
            self.save()
            return
        say(f"{name}: at most {min(left, most):.0f} of {left:.0f} s that are left")
        try:
            self.part(name, time.monotonic() + min(left, most))
        except (OSError, RuntimeError) as error:
            self.results["not_measured"][name] = str(error)
        self.save()

    def most(self, name: str) -> float:
        """Seconds that the part may take."""
        raise NotImplementedError

    def part(self, name: str, until: float) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """What is made of all parts."""

    def install(self, path: Path) -> None:
        """Say that a table of the kernels was written, and put a copy beside the results if they are elsewhere."""
        copy = self.arguments.output / path.name
        shutil.copyfile(path, copy)
        self.written += [one for one in (path, copy) if one not in self.written]


class Tests(Command):
    """The tests of tests/cuda on the GPU; kernel files whose every kernel passed go into verified.json."""

    file = "gpu-tests.json"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.outcomes: list[suite.Outcome] = []

    @property
    def failed(self) -> bool:
        return any(outcome.ended != "ok" and not outcome.ended.startswith("not run") for outcome in self.outcomes)

    def most(self, name: str) -> float:
        return MOST[name]

    def part(self, name: str, until: float) -> None:
        """Tests, or small ones of them under a memory checker."""
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
        self.results[name] = tests = {"seconds": 0.0, "files": []}

        def ended(outcome: suite.Outcome) -> None:
            self.outcomes.append(outcome)
            tests["files"].append(outcome.summary())
            tests["seconds"] = round(time.monotonic() - begin, 1)
            self.save()
            self.keep_words()

        suite.run_files(paths, until, environment, ended, options, before)
        show_tests(name, tests)
        passed = self.results["verified"] = suite.verified_files(self.outcomes)
        say(f"Every kernel of these files passed: {', '.join(passed) or 'none'}")
        if not self.arguments.dry:
            self.record(passed)

    def keep_words(self) -> None:
        """What the tests said that did not pass, in one file: the first WORDS characters."""
        said = [
            f"===== {outcome.file}: {outcome.ended}\n{outcome.words}\n"
            for outcome in self.outcomes
            if outcome.ended != "ok"
        ]
        if said:
            path = self.path.with_suffix(".txt")
            path.write_text("".join(said)[:WORDS])
            if path not in self.written:
                self.written.append(path)

    def record(self, passed: list[str]) -> None:
        """Into verified.json; a file that was in it and has now failed, in whatever way, is taken out."""
        from minigrad.kernels.cuda import verified

        bad = {file for outcome in self.outcomes for file, _ in outcome.bad}
        verified.write(passed, self.results["device"]["name"], forget=bad)
        self.install(verified.RECORD)


class Figures(Command):
    """Rates, bandwidths, steps and profiles; the parts of `MEASURED`."""

    file = "gpu.json"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.results["settings"] = {
            "tf32": f"PyTorch's defaults where a case does not say otherwise: {Tf32()}",
            "channels_last": "with torch.backends.cudnn.benchmark = True",
            "step": "zero_grad, forward, cross-entropy, backward, SGD with momentum 0.9 and weight decay 5e-4",
        }
        self.results |= {"networks": {}, "layers": {}, "profiles": {}}
        self.effort = DRY if self.arguments.dry else FULL
        self.libraries = ["minigrad"]
        if self.results["machine"]["versions"]["torch"] is None:
            self.results["not_measured"]["PyTorch"] = "it is not installed"
        else:
            self.libraries.append("torch")
        self.limits_tried = False

    def most(self, name: str) -> float:
        return MOST["compiled" if name.startswith("compiled") else "case"]

    def part(self, name: str, until: float) -> None:
        part = MEASURED[name].tiny() if self.arguments.dry else MEASURED[name]
        if isinstance(part, Calibration):
            self.calibrate(part, until)
        elif isinstance(part, Profile):
            row = self.results["profiles"][name] = {}
            measure_profile(part, row, until, self.environment)
            show_profile(row)
        elif isinstance(part, Network):
            row = self.results["networks"][name] = {}
            measure_network(part, row, self.libraries, self.effort, until, self.environment, self.save)
            show_network(row)
        elif isinstance(part, Layers):
            row = self.results["layers"][name] = {}
            measure_layers(
                part, row, self.libraries, self.effort, until, self.environment, self.save, self.limits(until)
            )
            show_layers(row)

    def calibrate(self, part: Calibration, until: float) -> None:
        """Into the results; on a GPU into tiling.json too, which all that is measured after it reads."""
        table = self.results["calibration"] = measure_calibration(part, until, self.environment)
        # A tile a line.
        text = re.sub(r"\[\s+([^][]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", json.dumps(table, indent=2))
        say(text)
        if not self.arguments.dry:
            path = runner.ROOT / "kernels" / "cuda" / "tiling.json"
            runner.write(text + "\n", path)
            self.install(path)

    def limits(self, until: float) -> dict | None:
        """What the GPU reaches through PyTorch, measured once; None without PyTorch."""
        if self.limits_tried or "torch" not in self.libraries:
            return self.results.get("limits")
        self.limits_tried = True
        try:
            until = min(until, time.monotonic() + LIMITS_SECONDS)
            limits = self.results["limits"] = measure_limits(self.effort, until, self.environment)
        except RuntimeError as error:
            self.results["not_measured"]["limits"] = str(error)
            return None
        say(
            f"Limits, through PyTorch on {limits['device']}: {limits['tf32_flop_per_second'] / 1e12:.1f} TFLOP/s with "
            f"TF32, {limits['fp32_flop_per_second'] / 1e12:.1f} without; "
            f"{limits['copy_bytes_per_second'] / 1e9:.0f} GB/s copying"
        )
        return limits

    def finish(self) -> None:
        if not any(row.get("ratios") for row in self.results["networks"].values()):
            return
        try:
            from benchmarks.charts import draw_gpu
        except ModuleNotFoundError as error:
            say(f"No chart: {error}")
            return
        path = self.path.with_suffix("")
        draw_gpu(self.results, path)
        self.written += [path.with_suffix(".png"), path.with_suffix(".svg")]


if __name__ == "__main__":
    main()
