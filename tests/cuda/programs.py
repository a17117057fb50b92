"""Small CUDA programs of tests, compiled and launched as kernels are."""

from __future__ import annotations

import hashlib
import os

import pytest

from minigrad.kernels.cuda import launch
from minigrad.kernels.cuda.cubin import cache_folder

# A fault would end a GPU's context; modes and orders are the simulator's.
simulator_only = pytest.mark.skipif(
    os.environ.get("MINIGRAD_CUDA_SIMULATOR") == "0", reason="these tests are of the simulator itself"
)


def program(text: str) -> str:
    """A file that `launch` takes, with this text; its path is the same in every run, so that it is compiled once."""
    path = cache_folder("cuda-simulator") / "programs" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.cu"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def run(text: str, function: str, grid, block, args, **options) -> None:
    """Launch `function` of the program `text`, in the simulator's current mode."""
    launch(program(text), function, grid, block, args, **options)
