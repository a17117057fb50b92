"""What an operation says of itself: its formula, and the source of its forward and backward."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from types import ModuleType

from minigrad.autograd import FusedFunction
from minigrad.autograd.function import AccumulateGrad

# The functions that `ops.pointwise` makes of two lambdas have no place for a docstring.
POINTWISE = {
    "Abs": "|x|; dx = dy sign(x)",
    "Ceil": "x rounded up; dx = 0",
    "Cos": "cos(x); dx = -dy sin(x)",
    "Erf": "erf(x); dx = dy 2/sqrt(pi) exp(-x^2)",
    "Exp": "y = exp(x); dx = dy y",
    "Expm1": "y = exp(x) - 1; dx = dy (y + 1)",
    "Floor": "x rounded down; dx = 0",
    "Log": "log(x); dx = dy / x",
    "Log1p": "log(1 + x); dx = dy / (1 + x)",
    "Log1p_exp": "log(1 + exp(x)); dx = dy sigmoid(x)",
    "Log2": "log2(x); dx = dy / (x log(2))",
    "Neg": "-x; dx = -dy",
    "Reciprocal": "y = 1 / x; dx = -dy y^2",
    "Round": "x rounded to the nearest integer; dx = 0",
    "Rsqrt": "y = 1 / sqrt(x); dx = -dy y^3 / 2",
    "Sigmoid": "y = 1 / (1 + exp(-x)); dx = dy y (1 - y)",
    "Sign": "the sign of x; dx = 0",
    "Sin": "sin(x); dx = dy cos(x)",
    "Sqrt": "y = sqrt(x); dx = dy / (2 y)",
    "Square": "x^2; dx = 2 dy x",
    "Tanh": "y = tanh(x); dx = dy (1 - y^2)",
    "Trunc": "x without its fraction; dx = 0",
}


def formula_of(cls: type) -> str:
    """The first line of an operation's docstring: "y = x W^T + b for each row x."."""
    if cls is AccumulateGrad:
        return "leaf.grad += gradient"
    if cls.__doc__:
        return inspect.cleandoc(cls.__doc__).split("\n", 1)[0]
    return POINTWISE.get(cls.__name__, "") if cls.__module__ == "minigrad.ops.pointwise" else ""


def sources_of(cls: type) -> tuple[str, str]:
    """The source code of an operation's forward and backward, as it stands in the file; "" where there is none.

    A fused operation's backward is the kernels' `fused_backward`. A pointwise function's two are the value and
    the derivative in the one call that defines it, which is given as forward.
    """
    if cls is AccumulateGrad:
        return "", _source(AccumulateGrad.accumulate)
    made = _pointwise_definition(cls)
    if made:
        return made, ""
    backward = "fused_backward" if issubclass(cls, FusedFunction) else "backward"
    return _source(getattr(cls, "forward", None)), _source(getattr(cls, backward, None))


def _source(function) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):  # typed at a prompt, or not Python's
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
