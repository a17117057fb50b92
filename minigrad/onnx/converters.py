"""What each recorded operation is in ONNX (operator set 18): a function for each, by the operation's name.

A converter takes the graph, the call's first result, and the arguments that the operation's `forward` had, in which
tensors that follow from the input are Values and numbers that follow from the batch's size are Sizes. It returns the
name of the value that stands for the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.onnx.graph import GraphBuilder
from minigrad.onnx.recording import Call, Value
from minigrad.onnx.sizes import Size
from minigrad.tensor import Tensor

CONVERTERS: dict[str, Callable[..., str]] = {}
TAKE_SIZES: set[str] = set()  # operations whose converters know what to do with a Size among the arguments

# Operations that ONNX has under another name or the same, all of their arguments being operands.
SAME = {
    "Abs": "Abs", "Add": "Add", "Ceil": "Ceil", "Cos": "Cos", "Div": "Div", "Erf": "Erf", "Exp": "Exp",
    "Floor": "Floor", "Log": "Log", "Log1p_exp": "Softplus", "MatMul": "MatMul", "Maximum": "Max", "Minimum": "Min",
    "Mul": "Mul", "Neg": "Neg", "Pow": "Pow", "ReLU": "Relu", "Reciprocal": "Reciprocal", "Round": "Round",
    "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin", "Sqrt": "Sqrt", "Sub": "Sub", "Tanh": "Tanh", "Where": "Where",
    "eq": "Equal", "ge": "GreaterOrEqual", "gt": "Greater", "isinf": "IsInf", "isnan": "IsNaN", "le": "LessOrEqual",
    "lt": "Less",
}  # fmt: skip
OPERANDS = {"Add": 2, "ReLU": 1}  # of those that have another argument: where the result is written


def convert(graph: GraphBuilder, call: Call) -> str:
    """Add what `call` did to the graph; the name of the result's value.

    Raises:
        ValueError: ONNX cannot say it.
    """
    sizes = _sizes(call.arguments)
    if sizes and call.operation not in SAME and call.operation not in TAKE_SIZES:
        raise ValueError(f"export: {call} computes with the number of inputs in a batch, which ONNX leaves open")
    try:
        if call.operation in SAME:
            like = next(argument for argument in call.arguments if isinstance(argument, Tensor | Value))
            arguments = call.arguments[: OPERANDS.get(call.operation)]
            operands = [_operand(graph, argument, like) for argument in arguments]
            return graph.add(SAME[call.operation], *operands)
        if call.operation not in CONVERTERS:
            raise Inexpressible("there is no ONNX operator here for it")
        return CONVERTERS[call.operation](graph, call.results[0], *call.arguments)
    except Inexpressible as reason:
        raise ValueError(f"export: {call}: {reason}") from None


class Inexpressible(Exception):
    """Why ONNX cannot say what a call did; `convert` names the call."""


def converts(*operations: str, sizes: bool = False) -> Callable[..., Any]:
    """A decorator: this function converts `operations`; with `sizes` also where a number is a Size."""

    def enter(converter: Callable[..., str]) -> Callable[..., str]:
        CONVERTERS.update(dict.fromkeys(operations, converter))
        if sizes:
            TAKE_SIZES.update(operations)
        return converter

    return enter


def _sizes(argument: Any) -> bool:
    """Whether there is a Size in an argument."""
    if isinstance(argument, tuple):
        return any([_sizes(part) for part in argument])
    if isinstance(argument, slice):
        return _sizes((argument.start, argument.stop, argument.step))
    return isinstance(argument, Size)


def _operand(graph: GraphBuilder, value: Any, like: Tensor | Value) -> Any:
    return value if isinstance(value, Tensor | Value) else graph.scalar(value, like.dtype)


def int64(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)
