"""Every call to the system fails: what was saved stays, the error names the file, and the run ends as undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILER = shutil.which("gcc")
pytestmark = pytest.mark.skipif(sys.platform != "linux" or COMPILER is None, reason="needs Linux and gcc")

FILES = ["save .pt", "save .safetensors", "load .pt", "load .safetensors", "compile", "load compiled", "export", "plot"]
RUNS = ["train", "resume", "minigrad train", "minigrad train --resume"]


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> Path:
    """inject.c, compiled."""
    path = tmp_path_factory.mktemp("inject") / "inject.so"
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", str(HERE / "inject.c"), "-o", path, "-ldl"], check=True)
    return path


def run(library: Path, program: str, *words: str) -> list[dict]:
    """The lines of JSON that a program prints with the library loaded."""
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(HERE / program), *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(results: list[dict]) -> None:
    for result in results:
        print(f"{result['scenario']}: {result['tried']} calls were made to fail")
        assert not result["problems"], "\n".join(result["problems"][:3])
        assert result["tried"] >= 3, result["scenario"]


@pytest.mark.parametrize(("stride", "names"), [(1, FILES), (11, RUNS)], ids=["files", "runs"])
def test_some_calls_fail(library, stride, names):
    check(run(library, "inject.py", str(stride), *names))


@pytest.mark.nightly
@pytest.mark.parametrize("name", FILES + RUNS)
def test_every_call_fails_in_every_way(library, name):
    check(run(library, "inject.py", "0", name))


@pytest.mark.parametrize("stride", [pytest.param(25, id="some"), pytest.param(1, id="all", marks=pytest.mark.nightly)])
def test_a_power_cut_loses_nothing_that_was_said_to_be_saved(library, stride):
    check(run(library, "powercut.py", str(stride)))
