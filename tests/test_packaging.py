"""What a person gets who installs or clones minigrad: all files, a light import, and no need for optional parts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd)


def built(target: str, folder: Path) -> dict[str, bytes]:
    """The files of the package that hatchling builds."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files(folder: str) -> list[Path]:
    paths = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in paths if "__pycache__" not in path.parts]


def test_wheel_holds_the_package_and_its_kernels(tmp_path):
    pytest.importorskip("hatchling")
    wheel = built("wheel", tmp_path)
    expected = {path.as_posix() for path in files("minigrad")} - {"minigrad/kernels.py"}
    expected |= {f"minigrad/{path.as_posix()}" for path in files("kernels")}
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_wheels_are_the_same_bit_for_bit(tmp_path):
    """From clones that were made at different times, under another umask and another time zone."""
    pytest.importorskip("hatchling")
    wheels = []
    for number, (umask, zone) in enumerate(((0o022, "UTC"), (0o077, "Asia/Tokyo"))):
        clone = tmp_path / f"clone{number}"
        before = os.umask(umask)
        try:
            for folder in ("minigrad", "kernels"):
                shutil.copytree(ROOT / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__"))
            for name in ("pyproject.toml", "README.md", "LICENSE"):
                shutil.copyfile(ROOT / name, clone / name)
        finally:
            os.umask(before)
        for path in clone.rglob("*"):
            os.utime(path, (1e9 + number * 1e8,) * 2)
        environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600", "TZ": zone, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(clone / "dist")]
        subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True)
        wheels += [path.read_bytes() for path in (clone / "dist").iterdir()]
    assert len(wheels) == 2 and wheels[0] == wheels[1]


def test_editable_install_copies_nothing(tmp_path):
    pytest.importorskip("hatchling")
    wheel = built("wheel:editable", tmp_path)
    ((name, content),) = [item for item in wheel.items() if ".dist-info/" not in item[0]]
    assert name.endswith(".pth") and Path(content.decode().strip()) == ROOT


def test_bare_clone_can_be_imported(tmp_path):
    for folder in ("minigrad", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    result = run(
        "import sys, minigrad, minigrad.kernels.matmul.reference\n"
        "print(minigrad.kernels.__file__, minigrad.kernels is sys.modules['minigrad.kernels'])\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'kernels'])",
        cwd=tmp_path,
    )
    assert result.stdout.splitlines() == [f"{tmp_path / 'kernels' / '__init__.py'} True", "[]"], result.stderr


def test_kernels_go_by_one_name():
    result = run("import kernels", cwd=ROOT)
    assert "ImportError: the kernels are imported as minigrad.kernels" in result.stderr


@pytest.mark.parametrize("module", ["numba", "scipy", "matplotlib", "PIL", "safetensors", "rich", "cupy", "torch"])
def test_import_brings_nothing_heavy(module):
    result = run(f"import sys, minigrad; sys.exit({module!r} in sys.modules)")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("broken", ["raise ImportError('libcuda.so.1 not found')", "raise OSError('no driver')"])
def test_import_survives_a_broken_cupy(tmp_path, broken):
    (tmp_path / "cupy.py").write_text(broken)
    result = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import minigrad as mg; print(mg.ones(2).sum())")
    assert result.returncode == 0, result.stderr
