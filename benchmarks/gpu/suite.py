"""Runs the tests of tests/cuda on the GPU, a process a file, within a time; says which kernels passed there."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.runner import ROOT, available_cores

# Of the device's tests those that say something on a GPU; the others are of the simulator, the compiler, the command.
PATTERNS = ["test_ptx.py", "test_every_kernel.py", "test_cuda_*.py", "test_alignment.py", "test_models_like_torch.py"]
PATTERNS += ["test_*graph*.py", "test_engine_*.py"]
JOBS = 8  # processes at a time: their tests are small, and most of their time goes into compiling kernels
WORDS = 200_000  # characters kept of what a file's tests said

# Small cases that a memory checker can go through in seconds: the kernels that read around corners.
SANITIZED_FILES = ["test_cuda_conv2d.py", "test_cuda_matmul.py", "test_cuda_max_pool2d.py", "test_cuda_batch_norm.py"]
SANITIZED = "no_access or cut_depth or strides or check"
SANITIZER = ["compute-sanitizer", "--tool", "memcheck", "--target-processes", "all", "--error-exitcode", "9"]


@dataclass
class Outcome:
    """What became of a file's tests."""

    file: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)  # how many, by reason
    ended: str = "not run: out of time"  # "ok" once all have passed or been skipped
    seconds: float = 0.0
    words: str = ""  # the end of what its tests said
    good: set[tuple[str, str]] = field(default_factory=set)  # kernels of tests that passed: file and function
    bad: set[tuple[str, str]] = field(default_factory=set)  # kernels of tests that did not

    def summary(self) -> dict:
        kept = "file", "passed", "failed", "skipped", "ended", "seconds"
        return {name: getattr(self, name) for name in kept}


def files() -> list[Path]:
    folder = ROOT / "tests" / "cuda"
    found = dict.fromkeys(path for pattern in PATTERNS for path in sorted(folder.glob(pattern)))
    return [path for path in found if not path.stem.endswith("_cupy")]  # those are of a CuPy made up for tests


def run_files(
    paths: Sequence[Path],
    until: float,
    environment: dict[str, str],
    ended: Callable[[Outcome], object] = lambda outcome: None,
    options: Sequence[str] = (),
    before: Sequence[str] = (),
) -> list[Outcome]:
    """Run the files, JOBS at a time, until `until` (of time.monotonic); `before` are words before the command.

    Each outcome is handed to `ended` as it comes.
    """
    jobs = max(1, min(JOBS, available_cores() // 2))
    found = {}
    with tempfile.TemporaryDirectory() as logs, ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(run_file, path, until, environment, Path(logs), options, before) for path in paths]
        for run in as_completed(runs):
            outcome = run.result()
            found[outcome.file] = outcome
            ended(outcome)
    return [found[path.name] for path in paths]


def run_file(path: Path, until: float, environment: dict, logs: Path, options: Sequence, before: Sequence) -> Outcome:
    outcome = Outcome(path.name)
    begin = time.monotonic()
    if begin >= until:
        return outcome
    log, words = logs / f"{path.stem}.jsonl", logs / f"{path.stem}.txt"
    command = [*before, sys.executable, "-m", "pytest", "-p", "benchmarks.gpu.plugin", "-o", "addopts=", "-q"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", *options, str(path)]
    env = os.environ | environment | {"MINIGRAD_TEST_LOG": str(log)}
    with words.open("w") as output:
        group = {"start_new_session": True}  # ended with all that it started
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT, **group)
        try:
            status = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    outcome.seconds = round(time.monotonic() - begin, 1)
    outcome.words = words.read_text(errors="replace")[-WORDS:]
    read_log(log, outcome, status)
    return outcome


def read_log(log: Path, outcome: Outcome, status: int | None) -> None:
    """Fill in the outcome from what the plugin wrote, and from the exit status (None: stopped, out of time)."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    running = ""
    for kind, *rest in lines:
        if kind == "began":
            running = rest[0]
        elif kind == "ended":
            running = ""
        else:
            test, why, launches = rest
            kernels = {tuple(launch) for launch in launches}
            running = ""
            if kind == "skipped":
                outcome.skipped[why] = outcome.skipped.get(why, 0) + 1
            elif kind == "passed":
                outcome.passed += 1
                outcome.good |= kernels
            else:
                outcome.failed.append(test)
                outcome.bad |= kernels
    if status in (0, 5):  # 5: no test was chosen
        outcome.ended = "ok"
    elif status is None:
        outcome.ended = f"out of time{' in ' + running if running else ''}"
    elif outcome.failed and status == 1:
        outcome.ended = f"{len(outcome.failed)} failed"
    else:
        outcome.ended = f"exit status {status}{' in ' + running if running else ''}"
    if status is not None and outcome.ended != "ok" and not outcome.failed:
        # It crashed, or a checker found fault: nobody knows in which kernel.
        outcome.bad |= outcome.good


def verified_files(outcomes: Sequence[Outcome]) -> list[str]:
    """The kernel files of which every kernel was launched by a test that passed, and none by one that failed."""
    from minigrad.kernels.cuda import source

    good = set().union(*(outcome.good for outcome in outcomes)) if outcomes else set()
    bad = {file for outcome in outcomes for file, _ in outcome.bad}
    kernels = {file: {(file, function) for function in source.load(file).functions} for file in source.all_files()}
    return [file for file, own in kernels.items() if own and own <= good and file not in bad]
