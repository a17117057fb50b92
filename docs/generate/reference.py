"""Every public name with its documentation, a page for each file that defines some; and the links between them.

Names are found as a user finds them, on the packages themselves. A public name without a docstring stops the build.
"""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import mkdocs_gen_files

import minigrad as mg
from minigrad.nn import functional as F

PYTORCH = "https://docs.pytorch.org/docs/stable/generated/torch"

# A section each: its title, the module whose names it lists, and how they are called.
SECTIONS: dict[str, tuple[str, str, str]] = {
    "operations": ("Operations: mg", "minigrad", "mg"),
    "functional": ("Functions: mg.nn.functional", "minigrad.nn.functional", "F"),
    "nn": ("Layers: mg.nn", "minigrad.nn", "nn"),
    "init": ("Initial weights: mg.nn.init", "minigrad.nn.init", "nn.init"),
    "utils": ("Tools for parameters: mg.nn.utils", "minigrad.nn.utils", "nn.utils"),
    "optim": ("Optimisers: mg.optim", "minigrad.optim", "optim"),
    "schedules": ("Schedules: mg.optim.lr_scheduler", "minigrad.optim.lr_scheduler", "optim.lr_scheduler"),
    "data": ("Loading data: mg.data", "minigrad.data", "data"),
    "autograd": ("Automatic differentiation: mg.autograd", "minigrad.autograd", "autograd"),
    "models": ("Networks: mg.vision.models", "minigrad.vision.models", "models"),
    "datasets": ("Data sets: mg.vision.datasets", "minigrad.vision.datasets", "datasets"),
    "transforms": ("Transforms: mg.vision.transforms", "minigrad.vision.transforms", "transforms"),
    "transforms_functional": (
        "Transforms as functions", "minigrad.vision.transforms.functional", "transforms.functional",
    ),
    "train": ("Training: minigrad.train", "minigrad.train", "train"),
    "study": ("Looking inside: minigrad.study", "minigrad.study", "study"),
    "distributed": ("Several processes: mg.distributed", "minigrad.distributed", "distributed"),
    "cuda": ("GPUs: mg.cuda", "minigrad.cuda", "cuda"),
    "onnx": ("ONNX: minigrad.onnx", "minigrad.onnx", "onnx"),
}  # fmt: skip
# PyTorch has a page of its own for each of these names.
AS_IN_PYTORCH = {"operations": "", "functional": ".nn.functional", "nn": ".nn", "optim": ".optim",
                 "schedules": ".optim.lr_scheduler"}  # fmt: skip

WITHOUT_A_PAGE = {"Parameter", "device", "summary"}  # there, or not PyTorch's


def public(module: ModuleType) -> dict[str, Any]:
    """The functions and classes that a module offers."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {}
    for name in sorted(names):
        member = getattr(module, name)
        if inspect.isfunction(member) or inspect.isclass(member):
            home = getattr(member, "__module__", "")
            if home.startswith(("minigrad", "kernels")) and not isinstance(member, ModuleType):
                found[name] = member
    return found


def heading_of(module: str) -> str:
    """The first line of a file's docstring."""
    doc = inspect.getdoc(importlib.import_module(module)) or module
    return re.split(r"[.:;,(]", doc, maxsplit=1)[0].strip()


def entry(section: str, path: str, called: str, name: str, member: Any) -> str:
    """One name, as mkdocstrings takes it."""
    if not (inspect.getdoc(member) or "").strip():
        raise ValueError(f"{path}.{name} is public and has no docstring")
    own = not inspect.isclass(member) or section in ("nn", "models", "transforms") and name != "Module"
    members = "" if own else '      members: null\n      inherited_members: false\n      filters: ["!^_"]\n'
    link = ""
    if section in AS_IN_PYTORCH and name not in WITHOUT_A_PAGE:
        torch = f"torch{AS_IN_PYTORCH[section]}.{name}"
        link = f"\n*PyTorch: [`{torch}`]({PYTORCH}{AS_IN_PYTORCH[section]}.{name}.html).*\n"
    learn = (
        f"\n[How it and its gradient are computed](../../learn/operations/{name}.md).\n" if name in EXPLAINED else ""
    )
    heading = f"{called}.{name}"
    if member.__module__.startswith(
        "minigrad.kernels."
    ):  # which in a clone lies elsewhere: mkdocstrings does not find it
        call = f"{name}{inspect.signature(member)}"
        return f"## {heading}\n\n```python\n{call}\n```\n\n```text\n{inspect.getdoc(member)}\n```\n\n"
    return f'::: {path}.{name}\n    options:\n      heading: "{heading}"\n{members}{learn}{link}\n'


EXPLAINED = {
    file.src_path.rpartition("/")[2].removesuffix(".md")
    for file in mkdocs_gen_files.FilesEditor.current().files
    if file.src_path.startswith("learn/operations/")
} - {"index", "SUMMARY"}

navigation = ["* [Overview](index.md)\n", "* [Tensor](tensor.md)\n"]
with mkdocs_gen_files.open("reference/tensor.md", "w") as file:
    file.write(
        "# Tensor\n\n*To look up a tensor's methods. Most are functions too, `mg.add` beside `x.add`.*\n\n"
        '::: minigrad.Tensor\n    options:\n      heading: "mg.Tensor"\n      members: null\n'
        '      filters: ["!^_"]\n      show_source: false\n'
    )

documented: set[int] = set()
for section, (title, path, called) in SECTIONS.items():
    pages: dict[str, list[tuple[str, Any]]] = {}
    for name, member in public(importlib.import_module(path)).items():
        home = member.__module__
        if section == "operations" and (
            member is mg.Tensor or hasattr(F, name) and home == getattr(F, name).__module__
        ):
            continue  # under nn.functional
        if id(member) in documented:
            continue
        documented.add(id(member))
        pages.setdefault(home, []).append((name, member))
    navigation.append(f"* {title}\n")
    for home in sorted(pages):
        stem = home.rpartition(".")[2]
        target = f"{section}/{stem}.md"
        heading = heading_of(home)
        with mkdocs_gen_files.open(f"reference/{target}", "w") as file:
            names = ", ".join([f"`{called}.{name}`" for name, _ in pages[home]])
            file.write(f"# {heading}\n\n*To look up {names}.*\n\n")
            for name, member in pages[home]:
                file.write(entry(section, path, called, name, member))
        navigation.append(f"    * [{heading}]({target})\n")

navigation += [
    "* [Command line](command-line.md)\n", "* [Recipes](recipes.md)\n", "* [Files](files.md)\n",
    "* [Environment variables](environment.md)\n", "* [Error messages](errors.md)\n",
]  # fmt: skip
with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as file:
    file.writelines(navigation)
