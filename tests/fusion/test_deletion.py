"""Fusion is a layer on top: without its file everything is computed alike."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = [
    "tests/autograd/test_tape.py",
    "tests/autograd/test_grad_mode.py",
    "tests/nn/test_module.py",
    "tests/nn/test_layers.py",
    "tests/ops/test_norm.py",
    "tests/ops/test_activation.py",
]


def test_nothing_else_imports_it():
    naming = [path for path in (ROOT / "minigrad").rglob("*.py") if "import fusion" in path.read_text("utf-8")]
    assert naming == [ROOT / "minigrad" / "__init__.py"]


def test_without_it_the_other_tests_pass(tmp_path):
    if not (ROOT / "kernels").is_dir():
        pytest.skip("not a clone")
    for folder in ("minigrad", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "kernels").symlink_to(ROOT / "kernels", target_is_directory=True)  # with what it has compiled
    (tmp_path / "minigrad" / "fusion.py").unlink()
    shutil.rmtree(tmp_path / "tests" / "fusion")
    # An editable installation looks for modules in this checkout where the copy has none.
    forget = "import sys\nsys.meta_path[:] = [finder for finder in sys.meta_path if 'ditable' not in repr(finder)]\n"
    (tmp_path / "sitecustomize.py").write_text(forget)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    script = "import importlib.util, minigrad; print(minigrad.__file__, importlib.util.find_spec('minigrad.fusion'))"
    where = _output([sys.executable, "-c", script], tmp_path, environment)
    assert where.split() == [str(tmp_path / "minigrad" / "__init__.py"), "None"]
    _output([*command, *TESTS], tmp_path, environment)


def _output(command, folder, environment):
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout
