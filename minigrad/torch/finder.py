"""`import torch` as `minigrad.torch`, in this process and in those that it starts."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from minigrad.torch.facade import missing
from minigrad.torch.spelling import spell

PACKAGES = ("torch", "torchvision")

# Modules in which PyTorch keeps what it also has a level above: the same module of the facade stands for them.
INSIDES = {
    "torch.amp": "torch.cuda.amp",
    "torch.autograd.grad_mode": "torch.autograd",
    "torch.functional": "torch",
    "torch.nn.modules": "torch.nn",
    "torch.nn.parameter": "torch.nn",
    "torch.nn.utils.clip_grad": "torch.nn.utils",
    "torch.serialization": "torch",
    "torch.tensor": "torch",
    "torch.types": "torch",
    "torchvision.datasets.folder": "torchvision.datasets",
    "torchvision.datasets.mnist": "torchvision.datasets",
    "torchvision.datasets.vision": "torchvision.datasets",
    "torchvision.transforms.autoaugment": "torchvision.transforms",
    "torchvision.transforms.transforms": "torchvision.transforms",
}
INSIDES_BELOW = {  # as these, whatever stands behind the last dot
    "torch.nn.modules": "torch.nn",
    "torch.optim": "torch.optim",
    "torch.utils.data": "torch.utils.data",
    "torchvision.models": "torchvision.models",
}


def facade_of(name: str) -> str | None:
    """The facade's module for one of PyTorch's, or None where there is none."""
    package, _, _ = name.rpartition(".")
    for candidate in (name, INSIDES.get(name), INSIDES_BELOW.get(package)):
        if candidate and _exists(f"minigrad.{candidate}") and (candidate == name or _is_inside(name, candidate)):
            return f"minigrad.{candidate}"
    return None


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _is_inside(name: str, candidate: str) -> bool:
    """True unless the name is one that is known to be out of scope, such as torch.utils.data.distributed."""
    return "out of scope" not in missing(name)


class FacadeFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the facade's modules under PyTorch's names: one module, two names."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in PACKAGES:
            return None
        module = facade_of(name)
        if module is None:
            raise ModuleNotFoundError(missing(name), name=name)
        return ModuleSpec(name, self, loader_state=module, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        asked = module.__spec__
        if asked is not None and isinstance(asked.loader, FacadeFinder):
            module.__spec__ = asked.loader_state  # its own again, which importing it as torch has replaced


def install() -> None:
    """Let `import torch` find the facade from now on; child processes find it by a folder on PYTHONPATH."""
    if any(isinstance(finder, FacadeFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, FacadeFinder())
    spell(importlib.import_module("minigrad.torch"))
    children = str(Path(__file__).parent / "children")
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if children not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([children, *filter(None, paths)])
