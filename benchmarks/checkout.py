"""Lets a bare checkout be imported, where nothing is installed.

The kernels lie beside the package, in kernels/, and are imported as `minigrad.kernels`: pyproject.toml says so to pip,
and this says so to an interpreter that starts in a checkout. An installed minigrad finds its kernels before this is
asked. `import benchmarks`, or ``pytest -p benchmarks``, is enough.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.util import spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class _KernelsBesideThePackage(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "minigrad.kernels":
            return None
        folder = ROOT / "kernels"
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


def make_importable() -> None:
    """Asked once or often, the same."""
    if not any(isinstance(finder, _KernelsBesideThePackage) for finder in sys.meta_path):
        sys.meta_path.append(_KernelsBesideThePackage())
