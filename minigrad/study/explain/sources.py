"""The source code of operations, and the papers that their docstrings name."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import textwrap
from types import ModuleType
from typing import Any

from minigrad.autograd import FusedFunction
from minigrad.autograd.node import AccumulateGrad

# 'Ioffe and Szegedy, "Batch normalization" (ICML 2015)', 'Maas et al. (2013)', 'Simard (2006), "High performance"'
_NAMES = r"[A-Z][\w-]+(?:(?:, | and )[A-Z][\w-]+)*(?: et al\.)?"
_REFERENCE = re.compile(rf'{_NAMES},? (?:"[^"]+",? )?\(?(?:[A-Z]\w+ )?(?:19|20)\d\d\)?(?:, "[^"]+")?')


def sources_of(cls: type) -> tuple[str, str]:
    """The source code of an operation's forward and backward; "" where there is none.

    A fused operation's backward is the kernels' `fused_backward`. A pointwise function's two are the value and
    the derivative in the one call that defines it, which is given as forward.
    """
    if cls is AccumulateGrad:
        return "", source_of(AccumulateGrad.accumulate)
    made = _pointwise_definition(cls)
    if made:
        return made, ""
    backward = "fused_backward" if issubclass(cls, FusedFunction) else "backward"
    return source_of(getattr(cls, "forward", None)), source_of(getattr(cls, backward, None))


def source_of(function: Any) -> str:
    """The source of a function without its indentation; "" if there is none, as for one typed at a prompt."""
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        return ""


def _pointwise_definition(cls: type) -> str:
    """The assignment ``exp = pointwise("exp", ...)`` that made a class, or ""."""
    if getattr(getattr(cls, "forward", None), "__qualname__", "") != "pointwise.<locals>.forward":
        return ""
    for file in ("minigrad.ops.pointwise", "minigrad.ops.activation"):
        text = _module_source(sys.modules[file])
        for statement in ast.parse(text).body:
            if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Call):
                continue
            call = statement.value
            name = ast.unparse(call.args[0]).strip("'") if ast.unparse(call.func) == "pointwise" else ""
            if name.capitalize() == cls.__name__:
                return ast.get_source_segment(text, statement) or ""
    return ""


@functools.cache
def _module_source(module: ModuleType) -> str:
    return inspect.getsource(module)


def references(*documented: Any) -> list[str]:
    """The papers that the docstrings of functions, classes and modules name, each once, told most fully."""
    found: dict[tuple[str, str], str] = {}
    for thing in documented:
        text = " ".join((inspect.getdoc(thing) or "").split())
        for reference in _REFERENCE.findall(text):
            key = reference.split(",")[0].split(" ")[0], re.findall(r"(?:19|20)\d\d", reference)[-1]
            found[key] = max(found.get(key, ""), reference, key=len)
    return list(found.values())
