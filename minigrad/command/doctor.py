"""`minigrad doctor`: what this machine has of what minigrad uses."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad import cuda
from minigrad.command.console import pairs, say, show
from minigrad.command.data import NAMED, cores
from minigrad.device import cuda_backend
from minigrad.vision.datasets.files import cache_folder

REQUIRED = ("numpy", "numba", "scipy", "safetensors", "rich", "matplotlib", "pillow")
OPTIONAL = ("tbb", "cupy", "onnx", "onnxruntime")
# What Numba's other threads cost. Measured: a training step of ResNet-50, two cores of Zen 3, 1.65 s instead of 1.16.
WITHOUT_TBB = {
    "omp": "; with TBB's threads (pip install tbb) large networks train up to 1.4 times as fast",
    "workqueue": "; one kernel runs at a time, whichever thread asks, where TBB's threads (pip install tbb) are shared",
}


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="versions, threads, kernels, GPU and data on this machine",
        description="Show what this machine has of what minigrad uses, and what is missing.",
    )
    parser.set_defaults(run=doctor, parser=parser)


def doctor(args: Any) -> None:
    """Print the facts."""
    for title, facts in (
        ("versions", _versions()),
        ("processor", _processor()),
        ("kernels", _kernels()),
        ("GPU", _gpu()),
        ("data sets", _data_sets()),
    ):
        say(title, "bold underline")
        show(pairs([(f"  {name}", words) for name, words in facts]))


def _versions() -> Iterator[tuple[str, str]]:
    from importlib import metadata

    yield "minigrad", f"{mg.__version__} in {Path(mg.__file__).parent}"
    yield "Python", f"{platform.python_version()} ({sys.executable})"

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    yield "needs", ", ".join(f"{name} {version(name) or 'MISSING'}" for name in REQUIRED)
    found = {name: version(name) for name in OPTIONAL if name != "cupy"}
    cupy = [name for name in metadata.packages_distributions().get("cupy", [])]
    found["cupy"] = version(cupy[0]) if cupy else None
    yield "optional", ", ".join(f"{name} {found[name] or 'not installed'}" for name in OPTIONAL)


def _processor() -> Iterator[tuple[str, str]]:
    from threadpoolctl import threadpool_info

    yield "cores", f"{cores()} of {os.cpu_count()}, {platform.machine()}"
    yield "threads", f"{mg.get_num_threads()} for kernels and BLAS (mg.set_num_threads changes it)"
    for info in threadpool_info():
        if info["user_api"] == "blas":
            kind = f"{info['internal_api']} {info['version']} ({info.get('architecture', 'any processor')})"
            yield "BLAS", f"{kind}, {info['num_threads']} threads, {_owner(info['filepath'])}"


def _owner(path: str) -> str:
    """Whose library it is, or which file."""
    return next((f"{name}'s" for name in ("NumPy", "SciPy") if f"/{name.lower()}" in path), path)


def _kernels() -> Iterator[tuple[str, str]]:
    import numpy as np

    from minigrad import kernels

    if not kernels.compiled():
        yield "Numba", "missing: NumPy computes in place of compiled kernels, many times slower (pip install numba)"
        return
    import numba

    cpu = kernels.implementation("elementwise", np.empty(0, np.float32))
    mg.zeros(2**20).relu()  # the layer is chosen when the first parallel kernel runs
    try:
        layer = f"{numba.threading_layer()} layer{WITHOUT_TBB.get(numba.threading_layer(), '')}"
    except ValueError:  # that operation ran on one thread
        layer = "no layer chosen yet"
    yield "Numba", f"{numba.get_num_threads()} threads, {layer}"
    folder = Path(kernels.__file__).parent
    caches = {Path(k.stats.cache_path) for k in vars(cpu).values() if hasattr(k, "stats") and k.stats.cache_path}
    beside = all(folder in cache.parents for cache in caches)
    places = [folder] if beside else [cache.parent for cache in caches]
    forms = {path for place in places for path in place.rglob("*.nbc")}
    size = sum(path.stat().st_size for path in forms) / 1e6
    where = f"beside their sources in {folder}" if beside else f"in {', '.join(map(str, sorted(set(places))))}"
    yield "compiled", f"{len(forms)} forms, {size:.0f} MB, {where}" if forms else "at each start: nothing can be kept"


def _gpu() -> Iterator[tuple[str, str]]:
    try:
        cuda_backend()
    except RuntimeError as error:
        yield "none", str(error).removeprefix("device 'cuda': ")
        return
    for index in range(cuda.device_count()):
        capability = ".".join(map(str, cuda.get_device_capability(index)))
        yield f"cuda:{index}", f"{cuda.get_device_name(index)}, compute capability {capability}"


def _data_sets() -> Iterator[tuple[str, str]]:
    for name, (dataset, _) in NAMED.items():
        if name == "sample":
            yield name, "comes with minigrad: 6,000 and 1,000 pictures of Fashion-MNIST"
            continue
        try:
            parts = [len(dataset(train=train)) for train in (True, False)]
            yield name, f"{parts[0]:,} and {parts[1]:,} pictures"
        except RuntimeError as error:
            if "damaged" in str(error):
                yield name, str(error)
            else:
                yield name, "not here; `minigrad train --data` downloads and verifies it"
    yield "cache", str(cache_folder())
