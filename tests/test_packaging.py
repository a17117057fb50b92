"""What a person gets who installs minigrad: all packages, a light import, and no need for optional parts."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(code: str, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "minigrad").rglob("__init__.py")}
    kernels = (ROOT / "kernels").rglob("__init__.py")
    found |= {".".join(("minigrad", *p.parent.relative_to(ROOT).parts)) for p in kernels}
    assert set(listed) == found
    assert listed == sorted(listed)


@pytest.mark.parametrize("module", ["numba", "scipy", "matplotlib", "PIL", "safetensors", "rich", "cupy", "torch"])
def test_import_brings_nothing_heavy(module):
    result = run(f"import sys, minigrad; sys.exit({module!r} in sys.modules)")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("broken", ["raise ImportError('libcuda.so.1 not found')", "raise OSError('no driver')"])
def test_import_survives_a_broken_cupy(tmp_path, broken):
    (tmp_path / "cupy.py").write_text(broken)
    result = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import minigrad as mg; print(mg.ones(2).sum())")
    assert result.returncode == 0, result.stderr


def test_wheel_data_is_declared():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    sample = ROOT / "minigrad" / "vision" / "datasets" / "fashion_mnist_sample"
    for path in [*sample.iterdir(), ROOT / "minigrad" / "py.typed"]:
        assert any(path.match(pattern) for pattern in data), path
