"""Which names of torch and torchvision a program uses, read from its source without running it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minigrad.torch.finder import PACKAGES, facade_of


@dataclass(frozen=True, order=True)
class Use:
    """A name of PyTorch's, in full, where a program uses it."""

    name: str
    file: str
    line: int


def uses(program: Path, sources: dict[Path, str] | None = None) -> list[Use]:
    """All uses in a program and in the modules beside it that it imports, in the order of files and lines.

    `sources` gives the text of files that are not plain Python, such as a notebook.

    Raises:
        SyntaxError: a file is not Python.
    """
    found: list[Use] = []
    waiting, seen = [program], {program}
    while waiting:
        path = waiting.pop(0)
        text = (sources or {}).get(path)
        tree = ast.parse(path.read_bytes() if text is None else text, str(path))
        reader = _Reader(str(path))
        reader.visit(tree)
        found += sorted(reader.found, key=lambda use: use.line)
        for local in _local_modules(tree, path, program.parent):
            if local not in seen:
                seen.add(local)
                waiting.append(local)
    return found


def is_there(name: str) -> bool:
    """True if the facade has a full name, such as torch.nn.functional.relu."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = facade_of(".".join(parts[:length]))
        if module is None:
            continue
        value = importlib.import_module(module)
        for part in parts[length:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


class _Reader(ast.NodeVisitor):
    """Collects uses in one file: names that were imported from PyTorch, and what is asked of them by attribute."""

    def __init__(self, file: str):
        self.file = file
        self.found: set[Use] = set()
        self.names: dict[str, str] = {}  # what a name in the program is PyTorch's name for

    def note(self, name: str, node: ast.AST) -> None:
        self.found.add(Use(name, self.file, node.lineno))  # type: ignore[attr-defined]

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.partition(".")[0] in PACKAGES:
                self.note(alias.name, node)
                own = alias.asname or alias.name.partition(".")[0]
                self.names[own] = alias.name if alias.asname else own

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or module.partition(".")[0] not in PACKAGES:
            return
        for alias in node.names:
            if alias.name == "*":
                self.note(module, node)
                continue
            self.note(f"{module}.{alias.name}", node)
            self.names[alias.asname or alias.name] = f"{module}.{alias.name}"

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in self.names:
            self.note(".".join([self.names[value.id], *reversed(parts)]), node)
        else:
            self.visit(value)


def _local_modules(tree: ast.AST, path: Path, root: Path) -> Iterator[Path]:
    """The files beside the program (or below it) that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, start = [alias.name for alias in node.names], root
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
            start = path.parents[node.level - 1] if node.level else root
        else:
            continue
        for name in names:
            place = start.joinpath(*name.split(".")) if name else start
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file():
                    yield file
