"""A kernel is compiled anew when what it takes from another file has changed, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.kernels.cpu.cache import digest

ROOT = Path(__file__).parents[2]

# The product calls `add_dots` of kernels/cpu/dots.py.
PROGRAM = """
import numpy as np
from minigrad.kernels.matmul import skinny
a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3).T
np.testing.assert_array_equal(skinny.matmul(a, b), a @ b)
stats = skinny._times_transposed.stats
print("kept" if stats.cache_path else "not kept", "loaded" if stats.cache_hits else "compiled")
"""


@pytest.fixture
def clone(tmp_path):
    for folder in ("minigrad", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(clone: Path, program: str = PROGRAM) -> str:
    # The cache lies beside the copy's own files, whatever this process was told.
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", program], cwd=clone, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_an_edit_of_a_shared_file_compiles_its_callers_anew(clone):
    assert [run(clone), run(clone)] == ["kept compiled", "kept loaded"]
    edit(clone / "kernels/cpu/dots.py", "\nDEPTH = 768", "\nDEPTH = 512")
    assert [run(clone), run(clone)] == ["kept compiled", "kept loaded"]
    # What the kernel does not use: a comment there, and another file that its module imports.
    edit(clone / "kernels/cpu/dots.py", "\nDEPTH = 512", "\n# a comment\nDEPTH = 512")
    edit(clone / "kernels/cpu/relayout.py", "\nNANOSECONDS = 0.5", "\nNANOSECONDS = 0.6")
    assert run(clone) == "kept loaded"


def test_nothing_is_kept_with_an_unknown_numba(clone):
    program = f"import numba.core.caching as caching; del caching.Cache._index_key\n{PROGRAM}"
    assert [run(clone, program), run(clone, program)] == ["not kept compiled", "not kept compiled"]


SOURCE = """
from numba import njit
from numba.extending import intrinsic
from numba import types

FACTOR, SET, UNREAD = 2, {"a", "b", "c"}, 5

def make(offset):
    def add(x, more=1):
        return x + offset + more
    return add

add = njit(make(3))

@intrinsic
def twice(typing, x):
    def generate(context, builder, signature, arguments):
        return builder.add(arguments[0], arguments[0])
    return types.int64(types.int64), generate

@njit(fastmath={"nsz", "arcp"})
def inner(x):
    return twice(x) * FACTOR if "a" in SET else x

def kernel(x):
    return inner(add(x))
"""


def digest_of(source: str, file: str = "kernel.py") -> str:
    names = {"__name__": "minigrad.kernels.made_up"}
    exec(compile(source, file, "exec"), names)
    return digest(names["kernel"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FACTOR, SET, UNREAD = 2", "FACTOR, SET, UNREAD = 3"),
        ('{"a", "b", "c"}', '{"a", "b"}'),
        ("make(3)", "make(4)"),
        ("more=1", "more=2"),
        ("offset + more", "offset - more"),
        ("builder.add", "builder.mul"),
        ("arguments[0], arguments[0]", "arguments[0], arguments[-1]"),
        ('{"nsz", "arcp"}', '{"nsz"}'),
        ("twice(x) *", "twice(x) +"),
        ("inner(add(x))", "add(inner(x))"),
    ],
)
def test_digest_sees_what_is_compiled_in(old, new):
    assert SOURCE.count(old) == 1
    assert digest_of(SOURCE.replace(old, new)) != digest_of(SOURCE)


def test_digest_sees_nothing_else():
    assert digest_of(SOURCE.replace('"c"}, 5', '"c"}, 6')) == digest_of(SOURCE)
    assert digest_of("# a comment\n\n" + SOURCE, file="elsewhere.py") == digest_of(SOURCE)


DIGESTS = """
import importlib, pkgutil
from numba.core.dispatcher import Dispatcher
from minigrad import kernels
from minigrad.kernels.cpu.cache import digest
for module in pkgutil.walk_packages(kernels.__path__, "minigrad.kernels."):
    if not module.ispkg and "cuda" not in module.name:
        for name, value in sorted(vars(importlib.import_module(module.name)).items()):
            if isinstance(value, Dispatcher):
                print(module.name, name, digest(value.py_func))
"""


def test_digests_are_the_same_in_every_process():
    found = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    assert found[0] == found[1] and len(found[0]) > 100
