"""Write minigrad/tensor.pyi, from which type checkers learn Tensor's methods: ``python tests/tensor_stub.py``.

The methods are bound when minigrad is imported (`minigrad.ops.methods`), so the stub is made from the class as it is
then: what tensor.py defines, by its source; what is bound, by the signature of the operation's own function.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_overloads

from minigrad.ops.methods import IN_PLACE
from minigrad.tensor import Tensor

STUB = Path(inspect.getfile(Tensor)).with_suffix(".pyi")

HEADER = "# Made by `python tests/tensor_stub.py`: signatures of the class that minigrad.ops.methods completes.\n"
# A sequence of sizes, which may be given as separate arguments too (`takes_sizes`).
SEQUENCE = re.compile(r"(\w+): Sequence\[builtins.int\]")
# What a type checker says about operators that are not as the builtin types have them.
REMARKS = {
    "__eq__": "  # type: ignore[override]  # elementwise: no bool",
    "__ne__": "  # type: ignore[override]",
}


def members() -> dict[str, Any]:
    """What Tensor has of the engine; the old spellings of `minigrad.torch` are there once that is imported."""
    return {
        name: member
        for name, member in vars(Tensor).items()
        if not str(getattr(getattr(member, "fget", member), "__module__", "")).startswith("minigrad.torch")
    }


class Names(ast.NodeTransformer):
    """Writes annotations as they have to stand in the stub, and collects the imports that they need."""

    def __init__(self) -> None:
        self.imports = {"import builtins"}

    def written(self, annotation: str, module: str) -> str:
        """An annotation of a function in `module`."""
        self.imported = imported_names(module)
        self.module = module
        return ast.unparse(self.visit(ast.parse(annotation, mode="eval").body))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        if name in ("Tensor", "Version"):
            return node
        if name in self.imported:
            assert name not in members(), f"{self.module}: import {name} under another name: Tensor has a member so"
            self.imports.add(self.imported[name])
        elif hasattr(builtins, name):
            # A method may have the name of a builtin type: Tensor.float.
            return ast.Name(f"builtins.{name}") if name in members() else node
        else:
            self.imports.add(f"from {self.module} import {name}")
        return node


def imported_names(module: str) -> dict[str, str]:
    """The names that a module imports, and the statement for each."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                origin = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
                found[alias.asname or alias.name] = f"{origin}import {ast.unparse(alias)}"
    return found


def own_members(cls: ast.ClassDef, names: Names) -> list[str]:
    """The members that the source of a class defines, without docstrings and bodies."""
    lines: list[str] = []
    overloaded = set()
    for node in cls.body:
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if "overload" in decorators:
                overloaded.add(node.name)
            elif node.name in overloaded:
                continue  # the implementation
            lines += [*[f"@{decorator}" for decorator in decorators], definition(node, names)]
        elif isinstance(node, ast.AnnAssign):
            default = "" if node.value is None else " = ..."
            annotation = names.written(ast.unparse(node.annotation), Tensor.__module__)
            lines.append(f"{ast.unparse(node.target)}: {annotation}{default}")
        elif isinstance(node, ast.Assign):
            lines.append(ast.unparse(node))
    return lines


def definition(node: ast.FunctionDef, names: Names) -> str:
    """A function's signature, out of the source of tensor.py."""
    arguments = node.args
    for argument in [*arguments.args, *arguments.kwonlyargs, *filter(None, [arguments.vararg, arguments.kwarg])]:
        if argument.annotation is not None:
            argument.annotation = ast.Name(names.written(ast.unparse(argument.annotation), Tensor.__module__))
        else:
            assert argument.arg == "self", f"Tensor.{node.name}: {argument.arg} has no type"
    assert node.returns is not None, f"Tensor.{node.name}: there is no type of the result"
    result = names.written(ast.unparse(node.returns), Tensor.__module__)
    return f"def {node.name}({ast.unparse(arguments)}) -> {result}: ..."


def method(name: str, function: Callable[..., Any], names: Names) -> str:
    """The signature of a function as that of the method `name`."""
    module = inspect.unwrap(function).__module__
    signature = inspect.signature(function)
    _, *others = signature.parameters.values()
    parts, starred = ["self"], False
    for parameter in others:
        assert parameter.annotation is not parameter.empty, f"{module}, Tensor.{name}: {parameter.name} has no type"
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = parameter.default
        plain = default is None or isinstance(default, int | float | str)
        text = "" if default is parameter.empty else f" = {default!r}" if plain else " = ..."
        parts.append(f"{stars}{parameter.name}: {names.written(parameter.annotation, module)}{text}")
    assert isinstance(signature.return_annotation, str), f"{module}, Tensor.{name}: there is no type of the result"
    # In place, what comes back is the tensor itself: a Parameter stays one.
    in_place = name.endswith("_") and name[0] != "_" or name in ("__iadd__", "__isub__", "__imul__", "__itruediv__")
    result = "Self" if in_place or name == "__ipow__" else names.written(signature.return_annotation, module)
    return f"def {name}({', '.join(parts)}) -> {result}: ...{REMARKS.get(name, '')}"


def stub() -> str:
    """The text of tensor.pyi, as yet not formatted."""
    tree = ast.parse(inspect.getsource(importlib.import_module(Tensor.__module__)))
    names = Names()
    names.imports.add("from typing import Self, overload")
    body = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            lines = own_members(node, names)
            if node.name == "Tensor":
                defined = {statement.name for statement in node.body if isinstance(statement, ast.FunctionDef)}
                for name, member in members().items():
                    if isinstance(member, property) and name not in defined:
                        lines += ["@property", method(name, member.fget, names)]
                    elif inspect.isfunction(member) and name not in defined:
                        member = members()[name[:-1]] if name[:-1] in IN_PLACE else member
                        written = [method(name, function, names) for function in get_overloads(member) or [member]]
                        if member.__code__.co_qualname.startswith("takes_sizes."):
                            written.append(SEQUENCE.sub(r"*\1: builtins.int", written[0]))
                        for line in written:
                            lines += ["@overload"] * (len(written) > 1) + [line]
            body.append(f"class {node.name}:\n" + "".join(f"    {line}\n" for line in lines))
        elif isinstance(node, ast.FunctionDef):
            body.append(definition(node, names))
    return HEADER + "\n".join([*sorted(names.imports), *body]) + "\n"


if __name__ == "__main__":
    import subprocess
    import sys

    STUB.write_text(stub())
    for command in ("check", "--select=I", "--fix", "-q"), ("format", "-q"):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(STUB)], check=True)
