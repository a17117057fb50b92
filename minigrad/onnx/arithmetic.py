"""Converters of arithmetic, logic and reductions; what is the same in ONNX is listed in `converters.SAME`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.onnx.converters import Inexpressible, converts, int64
from minigrad.onnx.graph import GraphBuilder
from minigrad.onnx.recording import Value


@converts("Einsum")
def _einsum(graph: GraphBuilder, y: Value, equation: str, *operands: Any) -> str:
    return graph.add("Einsum", *operands, equation=equation)


@converts("Sum")
def _sum(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...], keepdim: bool) -> str:
    return graph.add("ReduceSum", x, int64(*dims), keepdims=int(keepdim))


@converts("Extreme")
def _extreme(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...], keepdim: bool, largest: bool) -> str:
    return graph.add("ReduceMax" if largest else "ReduceMin", x, int64(*dims), keepdims=int(keepdim))


@converts("Var", sizes=True)
def _var(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...], divisor: float, keepdim: bool) -> str:
    distance = graph.add("Sub", x, graph.add("ReduceMean", x, int64(*dims), keepdims=1))
    squares = graph.add("ReduceSum", graph.add("Mul", distance, distance), int64(*dims), keepdims=int(keepdim))
    return graph.add("Div", squares, graph.scalar(divisor, x.dtype))


@converts("Root")
def _root(graph: GraphBuilder, y: Value, x: Value, p: float) -> str:
    return graph.add("Sqrt", x) if p == 2 else graph.add("Pow", x, np.asarray(1 / p, x.dtype))


@converts("LogSumExp")
def _logsumexp(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...], keepdim: bool) -> str:
    return graph.add("ReduceLogSumExp", x, int64(*dims), keepdims=int(keepdim))


@converts("Clamp")
def _clamp(graph: GraphBuilder, y: Value, x: Value, low: Any, high: Any) -> str:
    bounds = [None if bound is None else np.asarray(bound, x.dtype) for bound in (low, high)]
    return graph.add("Clip", x, *bounds)


@converts("MaskedFill")
def _masked_fill(graph: GraphBuilder, y: Value, x: Value, mask: Value, value: Any) -> str:
    return graph.add("Where", mask, value, x)


@converts("Square")
def _square(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Mul", x, x)


@converts("Rsqrt")
def _rsqrt(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Reciprocal", graph.add("Sqrt", x))


@converts("Expm1")
def _expm1(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Sub", graph.add("Exp", x), np.ones((), x.dtype))


@converts("Cast")
def _cast(graph: GraphBuilder, y: Value, x: Value, dtype: Any) -> str:
    from onnx import helper

    return graph.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@converts("Clone")
def _clone(graph: GraphBuilder, y: Value, x: Value, order: str) -> str:
    return graph.name_of(x)


@converts("Log1p")
def _log1p(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Log", graph.add("Add", x, np.ones((), x.dtype)))


@converts("Log2")
def _log2(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Div", graph.add("Log", x), np.asarray(math.log(2), x.dtype))


@converts("Trunc")
def _trunc(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Mul", graph.add("Sign", x), graph.add("Floor", graph.add("Abs", x)))


@converts("CumSum")
def _cumsum(graph: GraphBuilder, y: Value, x: Value, dim: int) -> str:
    return graph.add("CumSum", x, np.asarray(dim, np.int64))


@converts("Prod")
def _prod(graph: GraphBuilder, y: Value, x: Value, dim: int, keepdim: bool) -> str:
    return graph.add("ReduceProd", x, int64(dim), keepdims=int(keepdim))


@converts("ne")
def _ne(graph: GraphBuilder, y: Value, a: Any, b: Any) -> str:
    like = a if hasattr(a, "dtype") else b
    a, b = [operand if hasattr(operand, "dtype") else np.asarray(operand, like.dtype) for operand in (a, b)]
    return graph.add("Not", graph.add("Equal", a, b))


@converts("logical_not")
def _logical_not(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Not", _boolean(graph, x))


@converts("bitwise_not")
def _bitwise_not(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Not" if x.dtype == bool else "BitwiseNot", x)


@converts("bitwise_and", "bitwise_or", "bitwise_xor")
def _bitwise(graph: GraphBuilder, y: Value, a: Any, b: Any) -> str:
    if not all([hasattr(operand, "dtype") and operand.dtype == y.dtype for operand in (a, b)]):
        raise Inexpressible("its operands are of two types")
    name = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}[graph.made_by[y.index].operation]
    return graph.add(name if y.dtype == bool else f"Bitwise{name}", a, b)


@converts("isfinite")
def _isfinite(graph: GraphBuilder, y: Value, x: Value) -> str:
    return graph.add("Not", graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x)))


@converts("any", "all")
def _truth(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...], keepdim: bool) -> str:
    from onnx import TensorProto

    operator = {"any": "ReduceMax", "all": "ReduceMin"}[graph.made_by[y.index].operation]
    numbers = graph.add("Cast", _boolean(graph, x), to=TensorProto.INT32)
    truth = graph.add(operator, numbers, int64(*dims), keepdims=int(keepdim)) if dims else numbers
    return graph.add("Cast", truth, to=TensorProto.UINT8 if x.dtype == np.uint8 else TensorProto.BOOL)


def _boolean(graph: Any, x: Any) -> Any:
    from onnx import TensorProto

    return x if x.dtype == bool else graph.add("Cast", x, to=TensorProto.BOOL)
