"""Each operation's implementations have the signatures of its Protocol, and type checkers see wrong calls of them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_overloads

import pytest

from minigrad.kernels import dispatch

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent.name for path in (ROOT / "kernels").glob("*/reference.py"))


def protocols(function) -> dict[str, type]:
    """For each operation that an overload names, the Protocol it returns."""
    found = {}
    for overload in get_overloads(function):
        (operation,) = get_args(eval(overload.__annotations__["operation"], vars(dispatch)))
        found[operation] = getattr(import_module(f"minigrad.kernels.{operation}"), overload.__annotations__["return"])
    return found


COMMON, ON_GPU = protocols(dispatch.implementation), protocols(dispatch.implementation_on_gpu)


def methods(protocol: type) -> dict[str, inspect.Signature]:
    """The functions that a Protocol asks for, without `self`."""
    found = {}
    for name, function in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            signature = inspect.signature(function)
            found[name] = signature.replace(parameters=list(signature.parameters.values())[1:])
    return found


def differences(protocol: type, module) -> list[str]:
    """Where the functions of a module are not as the Protocol says; they may take more options, by keyword only."""
    found = []
    for name, expected in methods(protocol).items():
        function = getattr(module, name, None)
        if function is None:
            found.append(f"{name} is missing")
            continue
        signature = inspect.signature(function)
        parameters, own = list(signature.parameters.values()), len(expected.parameters)
        if any(extra.kind is not extra.KEYWORD_ONLY or extra.default is extra.empty for extra in parameters[own:]):
            found.append(f"{name}: what is added is no keyword-only option")
        if parameters[:own] != list(expected.parameters.values()):
            found.append(f"{name}{signature} is not {name}{expected}")
        if signature.return_annotation != expected.return_annotation:
            found.append(f"{name} returns {signature.return_annotation}, not {expected.return_annotation}")
    return found


def test_every_operation_has_a_protocol():
    assert sorted(COMMON) == FOLDERS
    assert all(methods(protocol) for protocol in COMMON.values())
    assert all(COMMON[operation] in protocol.__mro__ for operation, protocol in ON_GPU.items())


@pytest.mark.parametrize("name", dispatch.IMPLEMENTATIONS)
@pytest.mark.parametrize("operation", FOLDERS)
def test_implementations_are_as_the_protocol_says(operation, name):
    module = import_module(f"minigrad.kernels.{operation}.{name}")
    assert differences(COMMON[operation], module) == []
    if name == "cuda" and operation in ON_GPU:
        assert differences(ON_GPU[operation], module) == []


@pytest.mark.parametrize("name", dispatch.IMPLEMENTATIONS)
@pytest.mark.parametrize("operation", FOLDERS)
def test_public_functions_are_annotated(operation, name):
    module = import_module(f"minigrad.kernels.{operation}.{name}")
    for function in (
        f for _, f in inspect.getmembers(module, callable) if inspect.unwrap(f).__module__ == module.__name__
    ):
        if inspect.isfunction(inspect.unwrap(function)) and not function.__name__.startswith("_"):
            signature = inspect.signature(function)
            annotations = [p.annotation for p in signature.parameters.values()] + [signature.return_annotation]
            assert inspect.Signature.empty not in annotations, function.__qualname__


def test_differences_are_found():
    protocol = COMMON["matmul"]
    Array = "Array"  # as annotations are written

    def swapped(b: Array, a: Array) -> Array: ...
    def default(a: Array, b: Array = 0) -> Array: ...
    def annotated(a: Array, b: int) -> Array: ...
    def returning(a: Array, b: Array) -> int: ...
    def longer(a: Array, b: Array, c: int = 0) -> Array: ...
    def right(a: Array, b: Array, *, c: int = 0) -> Array: ...

    for wrong in (swapped, default, annotated, returning, longer):
        assert differences(protocol, SimpleNamespace(matmul=wrong)), wrong.__name__
    assert differences(protocol, SimpleNamespace()) == ["matmul is missing"]
    assert differences(protocol, SimpleNamespace(matmul=right)) == []


PROGRAM = """\
import numpy as np

from minigrad.kernels import implementation, is_dense

x = np.zeros((1, 2, 3, 3), np.float32)
pair = 1, 1
implementation("conv2d", x).forward(x, x, None, pair, pair, pair, 1, relu=True)
implementation("conv2d", x).forward(x, x, None, pair, pair, pair)
implementation("conv2d", x).forward(x, x, None, 1, pair, pair, 1)
implementation("conv2d", x).backward(x)
implementation("conv3d", x)
implementation("optimizer", x).norm([x])
is_dense(x, 1)
"""


def test_type_checker_finds_wrong_calls(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={tmp_path}", "--follow-imports=silent"]
    command = [sys.executable, "-m", "mypy", *options, str(program)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    errors = [line.split(":")[1] for line in result.stdout.splitlines() if " error: " in line]
    assert errors == ["8", "9", "10", "11", "12", "13"], result.stdout
