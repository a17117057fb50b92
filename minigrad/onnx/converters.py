"""What each operation of the tape is in ONNX (operator set 18): a function for each, by the operation's name.

A converter takes the graph, the call's result, and the arguments that the operation's `forward` had, with OPEN for
numbers that follow the batch's size; it returns the name of the value that stands for the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.onnx.graph import GraphBuilder
from minigrad.onnx.recording import OPEN, Call
from minigrad.tensor import Tensor

Pair = tuple[int, int]

CONVERTERS: dict[str, Callable[..., str]] = {}

# Operations that ONNX has under another name or the same, all of their arguments being operands.
SAME = {
    "Abs": "Abs", "Add": "Add", "Ceil": "Ceil", "Cos": "Cos", "Div": "Div", "eq": "Equal", "Erf": "Erf",
    "Exp": "Exp", "Floor": "Floor", "gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less",
    "le": "LessOrEqual", "Log": "Log", "Log1p_exp": "Softplus", "MatMul": "MatMul", "Maximum": "Max",
    "Minimum": "Min", "Mul": "Mul", "Neg": "Neg", "Pow": "Pow", "ReLU": "Relu", "Reciprocal": "Reciprocal",
    "Round": "Round", "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin", "Sqrt": "Sqrt", "Sub": "Sub",
    "Tanh": "Tanh", "Where": "Where",
}  # fmt: skip


def convert(graph: GraphBuilder, call: Call) -> str:
    """Add what `call` did to the graph; the name of the result's value."""
    _closed(str(call), call.arguments)
    if call.operation in SAME:
        tensors = [argument for argument in call.arguments if isinstance(argument, Tensor)]
        return graph.add(SAME[call.operation], *[_operand(argument, tensors[0]) for argument in call.arguments])
    if call.operation not in CONVERTERS:
        raise ValueError(f"export: there is no ONNX operator here for {call}")
    return CONVERTERS[call.operation](graph, call.results[0], *call.arguments)


def converts(operation: str) -> Callable:
    """A decorator: this function converts `operation`."""

    def enter(converter: Callable[..., str]) -> Callable[..., str]:
        CONVERTERS[operation] = converter
        return converter

    return enter


def _operand(value: Any, like: Tensor) -> Any:
    return value if isinstance(value, Tensor) else np.asarray(value, like.dtype)


def _int64(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _closed(operation: str, arguments: Any) -> None:
    """ValueError if one of the arguments follows the batch's size."""
    if any([argument is OPEN for argument in arguments]):
        raise ValueError(f"export: {operation} computes with the number of inputs in a batch, which ONNX leaves open")


def _ends(x: Tensor, y: Tensor, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, int]:
    """The padding behind the rows and columns that the last windows need: with it, `ceil_mode` has no say."""
    ends = [
        (y.shape[d + 2] - 1) * stride[d] + dilation[d] * (kernel_size[d] - 1) + 1 - x.shape[d + 2] - padding[d]
        for d in (0, 1)
    ]
    return max(ends[0], 0), max(ends[1], 0)


@converts("Conv2d")
def _conv(graph, y, x, weight, bias, stride, padding, dilation, groups):
    geometry = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    return graph.add("Conv", x, weight, bias, **geometry)


@converts("Conv2dInput")
def _conv_transpose(graph, x, y, weight, input_shape, stride, padding, dilation, groups):
    geometry = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    smallest = [
        (y.shape[d] - 1) * stride[d - 2] - 2 * padding[d - 2] + dilation[d - 2] * (weight.shape[d] - 1) + 1
        for d in (2, 3)
    ]
    extra = x.shape[2] - smallest[0], x.shape[3] - smallest[1]
    return graph.add("ConvTranspose", y, weight, output_padding=extra, **geometry)


@converts("MaxPool2d")
def _max_pool(graph, y, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    pads = (*padding, *_ends(x, y, kernel_size, stride, padding, dilation))
    return graph.add("MaxPool", x, kernel_shape=kernel_size, strides=stride, pads=pads, dilations=dilation)


@converts("AvgPool2d")
def _avg_pool(graph, y, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    ends = _ends(x, y, kernel_size, stride, padding, (1, 1))
    if kernel_size == (1, 1) and padding == (0, 0) and stride == (1, 1) and divisor_override in (None, 1):
        return graph.name_of(x)
    if count_include_pad and divisor_override is None and (ends[0] > padding[0] or ends[1] > padding[1]):
        raise ValueError("export: avg_pool2d divides its last windows by another number (ceil_mode) than ONNX does")
    include = int(count_include_pad or divisor_override is not None)
    pads = (*padding, *ends)
    mean = graph.add(
        "AveragePool", x, kernel_shape=kernel_size, strides=stride, pads=pads, count_include_pad=include
    )  # fmt: skip
    if divisor_override is None:
        return mean
    return graph.add("Mul", mean, np.asarray(math.prod(kernel_size) / divisor_override, x.dtype))


@converts("BatchNormInference")
def _batch_norm(graph, y, x, weight, bias, mean, var, eps):
    weight = np.ones(x.shape[1], x.dtype) if weight is None else weight
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else bias
    return graph.add("BatchNormalization", x, weight, bias, mean, var, epsilon=eps)


@converts("LocalResponseNorm")
def _local_response_norm(graph, y, x, size, alpha, beta, k):
    if size % 2 == 0:
        raise ValueError(f"export: local_response_norm over {size} channels: ONNX centres an even number otherwise")
    return graph.add("LRN", x, size=size, alpha=float(alpha), beta=float(beta), bias=float(k))


@converts("Linear")
def _linear(graph, y, x, weight, bias):
    if x.ndim == 2:
        return graph.add("Gemm", x, weight, bias, transB=1)
    product = graph.add("MatMul", x, graph.add("Transpose", weight, perm=(1, 0)))
    return product if bias is None else graph.add("Add", product, bias)


@converts("Einsum")
def _einsum(graph, y, equation, *operands):
    return graph.add("Einsum", *operands, equation=equation)


@converts("Reshape")
def _reshape(graph, y, x, shape):
    if shape.count(OPEN) > 1:
        raise ValueError("export: reshape gives several dimensions sizes that follow the batch's")
    return graph.add("Reshape", x, _int64(*[-1 if size is OPEN else size for size in shape]))


@converts("Permute")
def _permute(graph, y, x, dims):
    return graph.add("Transpose", x, perm=dims)


@converts("Expand")
def _expand(graph, y, x, shape):
    added = len(shape) - x.ndim
    for place, size in enumerate(shape):
        if size is OPEN and (place < added or x.shape[place - added] == 1):
            raise ValueError("export: expand repeats a tensor as often as there are pictures in a batch")
    return graph.add("Expand", x, _int64(*[1 if size is OPEN else size for size in shape]))


@converts("Slice")
def _slice(graph, y, x, index):
    value, slices, squeezed, added, dim, place = x, [], [], [], 0, 0
    for part in index:
        if part is None:
            added.append(place)
        elif isinstance(part, slice):
            if part != slice(None):
                start, stop, step = part.start or 0, part.stop, part.step or 1
                _closed("a slice", (start, stop, step))
                slices.append((dim, start, np.iinfo(np.int64).max if stop is None else stop, step))
            dim += 1
        else:
            slices.append((dim, part, part + 1 if part != -1 else np.iinfo(np.int64).max, 1))
            squeezed.append(dim)
            dim += 1
        place += part is None or isinstance(part, slice)
    if slices:
        dims, starts, stops, steps = (_int64(*numbers) for numbers in zip(*slices, strict=True))
        value = graph.add("Slice", value, starts, stops, dims, steps)
    if squeezed:
        value = graph.add("Squeeze", value, _int64(*squeezed))
    return graph.add("Unsqueeze", value, _int64(*added)) if added else graph.name_of(value)


@converts("SliceAdjoint")
def _pad(graph, y, x, shape, index, fill=0):
    starts = [part.start or 0 for part in index]
    ends = [
        0 if size is OPEN or part.stop is None else size - part.stop for size, part in zip(shape, index, strict=True)
    ]
    if any([part.step not in (None, 1) for part in index]):
        raise ValueError("export: there is no ONNX operator here for writing into every other element")
    return graph.add("Pad", x, _int64(*starts, *ends), np.asarray(fill, x.dtype))


@converts("Cat")
def _cat(graph, y, dim, *tensors):
    return graph.add("Concat", *tensors, axis=dim)


@converts("Sum")
def _sum(graph, y, x, dims, keepdim):
    return graph.add("ReduceSum", x, _int64(*dims), keepdims=int(keepdim))


@converts("Extreme")
def _extreme(graph, y, x, dims, keepdim, largest):
    return graph.add("ReduceMax" if largest else "ReduceMin", x, _int64(*dims), keepdims=int(keepdim))


@converts("Var")
def _var(graph, y, x, dims, divisor, keepdim):
    distance = graph.add("Sub", x, graph.add("ReduceMean", x, _int64(*dims), keepdims=1))
    squares = graph.add("ReduceSum", graph.add("Mul", distance, distance), _int64(*dims), keepdims=int(keepdim))
    return graph.add("Div", squares, np.asarray(divisor, x.dtype))


@converts("Root")
def _root(graph, y, x, p):
    return graph.add("Sqrt", x) if p == 2 else graph.add("Pow", x, np.asarray(1 / p, x.dtype))


@converts("LogSumExp")
def _logsumexp(graph, y, x, dims, keepdim):
    return graph.add("ReduceLogSumExp", x, _int64(*dims), keepdims=int(keepdim))


@converts("Softmax")
def _softmax(graph, y, x, dim):
    return graph.add("Softmax", x, axis=dim)


@converts("LogSoftmax")
def _log_softmax(graph, y, x, dim):
    return graph.add("LogSoftmax", x, axis=dim)


@converts("Clamp")
def _clamp(graph, y, x, low, high):
    bounds = [None if bound is None else np.asarray(bound, x.dtype) for bound in (low, high)]
    return graph.add("Clip", x, *bounds)


@converts("MaskedFill")
def _masked_fill(graph, y, x, mask, value):
    return graph.add("Where", mask, value, x)


@converts("Square")
def _square(graph, y, x):
    return graph.add("Mul", x, x)


@converts("Rsqrt")
def _rsqrt(graph, y, x):
    return graph.add("Reciprocal", graph.add("Sqrt", x))


@converts("Expm1")
def _expm1(graph, y, x):
    return graph.add("Sub", graph.add("Exp", x), np.ones((), x.dtype))


@converts("Cast")
def _cast(graph, y, x, dtype):
    from onnx import helper

    return graph.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@converts("Clone")
def _clone(graph, y, x, order):
    return graph.name_of(x)


@converts("Flip")
def _flip(graph, y, x, dims):
    last, before_first = _int64(*[-1] * len(dims)), _int64(*[np.iinfo(np.int64).min] * len(dims))
    return graph.add("Slice", x, last, before_first, _int64(*dims), _int64(*[-1] * len(dims)))
