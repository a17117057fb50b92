"""Every public docstring names each parameter, says what is raised and when, and has an example that runs.

The layout is Google's (see CONTRIBUTING.md): a summary line, then prose or `Args:`, `Raises:` and `Examples:`. What
is public is read from the modules themselves. An example finds `mg`, `nn` and `F` imported, and the seed is 0.

That an argument of the wrong type raises a TypeError is said once, in `minigrad.ops`: `Raises:` need not repeat it.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import doctest
import inspect
import io
import pkgutil
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import needs
import pytest

import minigrad as mg
import minigrad.study  # noqa: F401  # not imported by minigrad itself
import minigrad.train
from minigrad import nn, ops
from minigrad.autograd import Function
from minigrad.kernels.cuda.device import backend
from minigrad.nn import functional as F
from minigrad.vision.models import registry

MODULES = [
    *[f"minigrad.ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__)],
    "minigrad",
    "minigrad.autograd",
    "minigrad.cuda.backends",
    "minigrad.cuda",
    "minigrad.data",
    "minigrad.distributed",
    "minigrad.nn",
    "minigrad.nn.functional",
    "minigrad.nn.init",
    "minigrad.nn.parallel",
    "minigrad.nn.utils",
    "minigrad.onnx",
    "minigrad.optim",
    "minigrad.optim.lr_scheduler",
    "minigrad.serialize",
    "minigrad.study",
    "minigrad.train",
    "minigrad.vision.datasets",
    "minigrad.vision.io",
    "minigrad.vision.models",
    "minigrad.vision.transforms",
    "minigrad.vision.transforms.functional",
    "minigrad.vision.transforms.v2",
    "minigrad.vision.utils",
]
# Their parameters are documented where they are used: a method that a base class documents says no more than it.
PASSED_ON = {"self", "cls", "args", "kwargs"}


@cache
def documented() -> dict[str, Any]:
    """The public functions and classes, and the functions that are Tensor's methods, by their full names."""
    found: dict[int, tuple[str, Any]] = {}

    def add(member: Any) -> None:
        if inspect.isclass(member) or inspect.isfunction(member):
            home = member.__module__.removeprefix("minigrad.")
            if member.__module__.startswith(("minigrad", "kernels")):
                found.setdefault(id(member), (f"{home}.{member.__qualname__}", member))

    for name in MODULES:
        module = import_module(name)
        for public in getattr(module, "__all__", () if name.startswith("minigrad.ops.") else _defined_in(module)):
            add(getattr(module, public))
    for name in dir(mg.Tensor):
        method = inspect.getattr_static(mg.Tensor, name)
        if name.startswith("_") or not inspect.isfunction(method) or method.__module__.startswith("minigrad.torch"):
            continue  # the facade's old spellings are PyTorch's, and no methods of the engine
        if not method.__qualname__.startswith("Tensor."):
            add(method)
    return {name: member for name, member in found.values()}


def _defined_in(module: Any) -> list[str]:
    """The public names of a module without `__all__`: minigrad's own namespace, or what is defined there."""
    return [
        name
        for name, member in vars(module).items()
        if not name.startswith("_") and (module is mg or getattr(member, "__module__", "").startswith(module.__name__))
    ]


def methods(cls: type) -> Iterator[tuple[str, Callable]]:
    """The public methods that `cls` defines and documents itself."""
    for name, member in vars(cls).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        its_own = inspect.isfunction(function) and function.__qualname__.startswith(f"{cls.__qualname__}.")
        if not name.startswith("_") and its_own and function.__doc__:
            yield name, function


def parameters(function: Callable) -> list[str]:
    """The names that a caller may have to know."""
    try:
        names = inspect.signature(function).parameters
    except ValueError:
        return []
    return [name for name in names if name not in PASSED_ON and not name.startswith("_")]


def unnamed(member: Any, names: list[str]) -> list[str]:
    """Those of `names` that the docstring has neither in backticks nor at the start of a line of `Args:`."""
    doc = inspect.getdoc(member) or ""
    said = {word for quoted in re.findall(r"`+([^`]+)`+", doc) for word in re.findall(r"\w+", quoted)}
    for line in re.findall(r"^ {4}([*\w, /]+?)(?: \([^)]*\))?:", doc, re.MULTILINE):
        said |= set(re.findall(r"\w+", line))
    return [name for name in names if name not in said]


def source(function: Callable) -> str:
    """The lines of a function; none for one that a dataclass generates."""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


@cache
def raised(function: Callable, owner: type | None = None, helper: bool = False) -> frozenset[str]:
    """The exceptions that `function`, a method of `owner`, and the private functions and checks that it calls raise."""
    function = inspect.unwrap(function)
    tree = ast.parse(source(function))
    names = {**vars(builtins), **function.__globals__, **inspect.getclosurevars(function).nonlocals}
    found, caught = set(), set(_caught(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None and node not in caught:
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(kind, ast.Name) and inspect.isclass(names.get(kind.id)):
                found.add(kind.id)
        elif isinstance(node, ast.Call):
            target = _called(node.func, names, owner)
            if inspect.isfunction(target) and target is not function:
                found |= raised(target, owner, True)
    return frozenset(found - {"TypeError", "AssertionError"} if helper else found - {"AssertionError"})


def _caught(tree: ast.AST) -> Iterator[ast.Raise]:
    """The raise statements whose exception the same function catches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            caught = {name for handler in node.handlers if handler.type for name in _names(handler.type)}
            for inner in [part for statement in node.body for part in ast.walk(statement)]:
                if isinstance(inner, ast.Raise) and inner.exc is not None and _names(inner.exc) & caught:
                    yield inner


def _names(expression: ast.expr) -> set[str]:
    called = expression.func if isinstance(expression, ast.Call) else expression
    return {part.id for part in ast.walk(called) if isinstance(part, ast.Name)}


def _called(called: ast.expr, names: dict[str, Any], owner: type | None) -> Any:
    """The function behind `check_x(...)`, `_helper(...)`, `self._helper(...)` or an operation's `apply(...)`."""
    if isinstance(called, ast.Name):
        target = names.get(called.id)
        return target if inspect.isfunction(target) and _is_check(target) else None
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        if called.attr == "apply":
            operation = names.get(called.value.id)
            return operation.forward if inspect.isclass(operation) and issubclass(operation, Function) else None
        if called.value.id == "self" and called.attr.startswith("_") and owner is not None:
            return getattr(owner, called.attr, None)
    return None


def _is_check(function: Callable) -> bool:
    name = function.__name__
    return function.__module__.startswith("minigrad") and (
        name.startswith(("_", "check_")) or function.__module__ == "minigrad.ops.arguments"
    )


def section(member: Any, title: str) -> str:
    match = re.search(rf"^{title}:\n((?: .*\n|\n)+)", (inspect.getdoc(member) or "") + "\n", re.MULTILINE)
    return match[1] if match else ""


def unsaid(member: Any, exceptions: Iterable[str]) -> list[str]:
    """Those of `exceptions` that the docstring's `Raises:` leaves out."""
    said = re.findall(r"^ {4}(\w+(?:, \w+)*):", section(member, "Raises"), re.MULTILINE)
    return sorted(set(exceptions) - {name for names in said for name in names.split(", ")})


def faults(name: str, member: Any) -> list[str]:
    """What the docstring of a public function or class lacks."""
    if not inspect.isclass(member):
        return _faults_of(name, member, parameters(member), raised(member)) + _without_example(name, member)
    constructors = list(_constructors(member))
    names = parameters(member) if constructors else []
    exceptions = {kind for i, init in enumerate(constructors) for kind in raised(init, member, helper=i > 0)}
    found = _faults_of(name, member, names, exceptions)
    found += _without_example(name, member)
    for part, method in methods(member):
        found += _faults_of(f"{name}.{part}", method, parameters(method), raised(method, member))
    return found


def _constructors(cls: type) -> Iterator[Callable]:
    """The class's `__init__`, and those that it calls by `super()`, as far as they are ours."""
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if inspect.isfunction(init):
            if not init.__module__.startswith("minigrad"):
                return
            yield init
            if "super().__init__" not in source(init):
                return


def _faults_of(name: str, documented: Any, names: list[str], exceptions: Iterable[str]) -> list[str]:
    found = [f"{name}: parameter {p} is not named" for p in unnamed(documented, names)]
    return found + [f"{name}: {kind} is raised, and not said" for kind in unsaid(documented, exceptions)]


def _without_example(name: str, member: Any) -> list[str]:
    return [] if ">>> " in section(member, "Examples") else [f"{name}: no example"]


def test_docstrings_are_complete():
    wrong = [fault for name, member in documented().items() for fault in faults(name, member)]
    assert not wrong, "\n".join(["", *wrong])


def test_the_list_is_of_the_public_names():
    names = documented()
    for expected in ("ops.conv.conv2d", "ops.shape.view", "nn.linear.Linear", "optim.sgd.SGD", "serialize.save"):
        assert expected in names
    assert len(names) > 300


def test_an_incomplete_docstring_is_noticed():
    def bad(input, other):
        """The `input`."""
        if other:
            raise ValueError
        _check(input)

    def _check(input):
        raise IndexError(input)

    bad.__module__ = _check.__module__ = "minigrad.example"
    assert faults("bad", bad) == [
        "bad: parameter other is not named",
        "bad: IndexError is raised, and not said",
        "bad: ValueError is raised, and not said",
        "bad: no example",
    ]


def examples(member: Any) -> Iterator[tuple[str, str]]:
    """The docstrings of a function, or of a class and its methods, that hold an example."""
    parts = [("", member), *(methods(member) if inspect.isclass(member) else ())]
    for part, value in parts:
        doc = inspect.getdoc(value) or ""
        if ">>> " in doc:
            yield part, doc


@pytest.fixture
def gpu(monkeypatch):
    """A GPU, or the simulator; without either the test is skipped."""
    if not mg.cuda.is_available():
        if needs.simulator.args[0]:
            pytest.skip(needs.simulator.kwargs["reason"])
        monkeypatch.setenv("MINIGRAD_CUDA_SIMULATOR", "1")
        backend.cache_clear()
    yield
    monkeypatch.undo()
    backend.cache_clear()


@pytest.mark.parametrize("home", sorted({name.split(".")[0] for name in documented()}))
def test_examples_run(home, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)  # for those that write files
    monkeypatch.setattr(registry, "MODELS", dict(registry.MODELS))  # for the one that registers a model
    if home == "cuda":
        request.getfixturevalue("gpu")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    parser, report = doctest.DocTestParser(), io.StringIO()
    for name, member in documented().items():
        if name.split(".")[0] != home:
            continue
        for part, doc in examples(member):
            mg.manual_seed(0)
            globs = {"mg": mg, "nn": nn, "F": F}
            test = parser.get_doctest(doc, globs, f"{name}.{part}".rstrip("."), None, 0)
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                runner.run(test, out=report.write)
    assert not runner.failures, report.getvalue()
