"""Runs the measured programs in processes of their own, and describes the machine they ran on.

This process imports neither library: a program it starts would inherit its peak memory.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Contender:
    name: str
    package: str  # that its programs import
    layout: str


MINIGRAD = Contender("minigrad", "minigrad", "contiguous")
PEERS = [Contender("PyTorch", "torch", "contiguous"), Contender("PyTorch channels_last", "torch", "channels_last")]


def environment(library: str, threads: int) -> dict[str, str]:
    """The variables a program is started with: all thread pools of one size."""
    pools = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"
    return os.environ | {"BENCHMARK_LIBRARY": library} | dict.fromkeys(pools, str(threads))


# What makes the libraries act as on another processor: Numba, OpenBLAS, PyTorch's own kernels, and oneDNN's. Sizes of
# caches and the clock stay those of this one. Numba needs both of its variables.
INSTRUCTION_SETS = {
    "native": {},
    "avx2": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+popcnt",
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}


def act_as(instruction_set: str, results: str) -> str:
    """Start programs so from now on; and the name of results that are measured so."""
    os.environ.update(INSTRUCTION_SETS[instruction_set])
    return results if instruction_set == "native" else f"{results}-{instruction_set}"


def run(module: str, arguments: Sequence[object], env: dict[str, str]) -> dict:
    """What ``python -m benchmarks.MODULE ARGUMENTS`` prints as JSON, and when, in seconds, its "first step" was done.

    RuntimeError with the end of the program's own words where it fails.
    """
    begin = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines, first_step = [], {}
    try:
        for line in process.stdout:
            if line == "first step\n":
                first_step = {"first step": time.perf_counter() - begin}
            lines.append(line)
    except BaseException:  # Ctrl-C ends the program too
        process.kill()
        raise
    finally:
        process.wait()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[2:])}: exit status {process.returncode}\n{''.join(lines[-15:])}")
    return json.loads(lines[-1]) | first_step


def make_present(count: int) -> None:
    """Touch so many bytes of free memory in a process that ends, so that the next one finds them in the machine.

    A virtual machine may give free memory back to its host, and gets it anew, page by page, when a program first
    writes to it: 0.7 GB/s where this was measured, instead of 12. Who waited for it was decided by which program had
    run before, and when: the first step of VGG-11-BN on 224x224 took minigrad 1.7 s or 4.9, PyTorch 3.6 or 5.5.
    """
    subprocess.run([sys.executable, "-c", f"import numpy; numpy.ones({count}, numpy.uint8)"], check=True)


def alternate(contenders: Sequence, rounds: int):
    """(round, contender) for every round; each round begins with another one, so that none is always first."""
    for round in range(rounds):
        for index in range(len(contenders)):
            yield round, contenders[(round + index) % len(contenders)]


def ratios(peer: list[float], own: list[float]) -> dict[str, float]:
    """Their figure over ours, round by round: median, least and most. Above 1, minigrad is ahead."""
    quotients = [theirs / ours for theirs, ours in zip(peer, own, strict=True)]
    return {"median": median(quotients), "least": min(quotients), "most": max(quotients)}


def describe_machine(threads: int, with_limits: bool = True) -> dict:
    """Processor, memory, system, versions, load and date; also what the machine can do at best, which takes seconds."""
    versions = {"python": platform.python_version()}
    for package in "minigrad", "numpy", "numba", "scipy", "tbb", "torch":
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    described = {
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "commit": _git_commit(),
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "load_average_before": os.getloadavg()[0],
        "threads": threads,
        "instruction_set": "avx2" if os.environ.get("NUMBA_CPU_NAME") == "haswell" else "native",
        "versions": versions,
    }
    if with_limits:
        described["limits"] = run("limits", [], environment("minigrad", threads))
    return described


def available_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peers_installed() -> bool:
    try:
        return bool(version("torch"))
    except PackageNotFoundError:
        return False


def results_folder(whole: bool) -> Path:
    """Where results go unless told: beside the committed ones if all was measured, else out of their way."""
    return ROOT / ("benchmarks/results" if whole else "runs/benchmarks")


def save(results: dict, path: Path) -> None:
    write(json.dumps(results, indent=1) + "\n", path)


def write(text: str, path: Path) -> None:
    """A whole file or none: what was there stays until the new one is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def _git_commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _line(path: str, field: str) -> str | None:
    """The value of `field` in a file of lines "field : value", as Linux describes itself."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), None)
