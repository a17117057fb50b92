"""The programs in tests/programs, under `minigrad run` and under PyTorch: they print the same numbers."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent.parent / "programs"
ROOT = PROGRAMS.parent.parent
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|-?\d+e-?\d+")


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=600, cwd=ROOT)


def names() -> list[str]:
    return sorted(path.name for path in PROGRAMS.glob("*.py") if path.name != "numbers_.py")


@pytest.mark.parametrize("name", names())
def test_a_program_runs_and_gives_pytorchs_numbers(name):
    ours = python("-m", "minigrad", "run", f"tests/programs/{name}")
    assert ours.returncode == 0, ours.stderr
    modules = re.findall(r"^(?:import|from) (torch\w*)", (PROGRAMS / name).read_text(), re.M)
    if any(importlib.util.find_spec(module) is None for module in modules):
        return  # it has run; the numbers are compared where PyTorch is installed
    theirs = python(f"tests/programs/{name}")
    assert theirs.returncode == 0, theirs.stderr
    assert NUMBER.sub("#", ours.stdout) == NUMBER.sub("#", theirs.stdout)
    got, wanted = (list(map(float, NUMBER.findall(done.stdout))) for done in (ours, theirs))
    assert got == pytest.approx(wanted, rel=2e-5, abs=2e-5)


@pytest.mark.parametrize("name", names())
def test_check_finds_all_names(name):
    done = python("-m", "minigrad", "check", f"tests/programs/{name}")
    assert done.returncode == 0 and "names are there" in done.stdout, done.stdout + done.stderr
