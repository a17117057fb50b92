"""Stands, in a clone, for the package `minigrad.kernels`, whose folder lies beside this one: kernels/.

A wheel holds that folder as minigrad/kernels/ and leaves this file out. `import minigrad.kernels` runs this file, which
puts the package in its own place, so that each kernel is one module under one name. Type checkers read the last import.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

_folder = Path(__file__).resolve().parents[1] / "kernels"
_spec = spec_from_file_location(__name__, _folder / "__init__.py", submodule_search_locations=[str(_folder)])
assert _spec is not None and _spec.loader is not None
sys.modules[__name__] = _package = module_from_spec(_spec)
_spec.loader.exec_module(_package)

if TYPE_CHECKING:
    from kernels import *
