"""Converters of layers: convolution, pooling, normalisation, linear layers and activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.onnx.converters import Inexpressible, converts, int64
from minigrad.onnx.graph import GraphBuilder, Operand
from minigrad.onnx.recording import Value

Pair = tuple[int, int]


def _ends(x: Any, y: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, int]:
    """The padding behind the rows and columns that the last windows need: with it, `ceil_mode` has no say."""
    ends = [
        (y.shape[d + 2] - 1) * stride[d] + dilation[d] * (kernel_size[d] - 1) + 1 - x.shape[d + 2] - padding[d]
        for d in (0, 1)
    ]
    return max(ends[0], 0), max(ends[1], 0)


@converts("Conv2d")
def _conv(
    graph: GraphBuilder,
    y: Value,
    x: Value,
    weight: Operand,
    bias: Operand,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> str:
    geometry = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    return graph.add("Conv", x, weight, bias, **geometry)


@converts("Conv2dInput", sizes=True)
def _conv_transpose(
    graph: GraphBuilder,
    x: Any,
    y: Any,
    weight: Any,
    input_shape: tuple[Any, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> str:
    geometry = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    smallest = [
        (y.shape[d] - 1) * stride[d - 2] - 2 * padding[d - 2] + dilation[d - 2] * (weight.shape[d] - 1) + 1
        for d in (2, 3)
    ]
    extra = x.shape[2] - smallest[0], x.shape[3] - smallest[1]
    return graph.add("ConvTranspose", y, weight, output_padding=extra, **geometry)


@converts("MaxPool2d")
def _max_pool(
    graph: GraphBuilder,
    y: Value,
    x: Value,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    return_indices: bool,
) -> str:
    pads = (*padding, *_ends(x, y, kernel_size, stride, padding, dilation))
    return graph.add("MaxPool", x, kernel_shape=kernel_size, strides=stride, pads=pads, dilations=dilation)


@converts("AvgPool2d")
def _avg_pool(
    graph: GraphBuilder,
    y: Value,
    x: Value,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> str:
    ends = _ends(x, y, kernel_size, stride, padding, (1, 1))
    if kernel_size == (1, 1) and padding == (0, 0) and stride == (1, 1) and divisor_override in (None, 1):
        return graph.name_of(x)
    if count_include_pad and divisor_override is None and (ends[0] > padding[0] or ends[1] > padding[1]):
        raise Inexpressible("ceil_mode divides the sums of the last windows by another number than ONNX does")
    include = int(count_include_pad or divisor_override is not None)
    pads = (*padding, *ends)
    mean = graph.add(
        "AveragePool", x, kernel_shape=kernel_size, strides=stride, pads=pads, count_include_pad=include
    )  # fmt: skip
    if divisor_override is None:
        return mean
    return graph.add("Mul", mean, np.asarray(math.prod(kernel_size) / divisor_override, x.dtype))


@converts("BatchNormInference")
def _batch_norm(
    graph: GraphBuilder, y: Value, x: Value, weight: Operand, bias: Operand, mean: Any, var: Operand, eps: float
) -> str:
    channels = mean.shape
    scale = np.ones(channels, x.dtype) if weight is None else weight
    shift = np.zeros(channels, x.dtype) if bias is None else bias
    return graph.add("BatchNormalization", x, scale, shift, mean, var, epsilon=eps)


@converts("batch_statistics")
def _batch_statistics(graph: GraphBuilder, mean: Value, x: Value, eps: float) -> str:
    """The mean of each channel; what else `BatchNorm` needs follows from it."""
    return graph.add("ReduceMean", x, int64(0, *range(2, x.ndim)), keepdims=0)


@converts("BatchNorm")
def _batch_norm_of_batch(
    graph: GraphBuilder, y: Value, x: Value, weight: Operand, bias: Operand, mean: Value, invstd: Value, eps: float
) -> str:
    dims = int64(0, *range(2, x.ndim))
    shape = int64(1, -1, *[1] * (x.ndim - 2))
    distance = graph.add("Sub", x, graph.add("Reshape", mean, shape))
    variance = graph.add("ReduceMean", graph.add("Mul", distance, distance), dims, keepdims=1)
    value = graph.add("Div", distance, graph.add("Sqrt", graph.add("Add", variance, np.asarray(eps, x.dtype))))
    if weight is not None:
        value = graph.add("Mul", value, graph.add("Reshape", weight, shape))
    return value if bias is None else graph.add("Add", value, graph.add("Reshape", bias, shape))


@converts("LocalResponseNorm")
def _local_response_norm(
    graph: GraphBuilder, y: Value, x: Value, size: int, alpha: float, beta: float, k: float
) -> str:
    if size % 2 == 0:
        raise Inexpressible(f"ONNX centres an even number of channels, {size}, otherwise")
    return graph.add("LRN", x, size=size, alpha=float(alpha), beta=float(beta), bias=float(k))


@converts("Linear")
def _linear(graph: GraphBuilder, y: Value, x: Value, weight: Operand, bias: Operand) -> str:
    if x.ndim == 2:
        return graph.add("Gemm", x, weight, bias, transB=1)
    product = graph.add("MatMul", x, graph.add("Transpose", weight, perm=(1, 0)))
    return product if bias is None else graph.add("Add", product, bias)


@converts("Softmax")
def _softmax(graph: GraphBuilder, y: Value, x: Value, dim: int) -> str:
    return graph.add("Softmax", x, axis=dim)


@converts("LogSoftmax")
def _log_softmax(graph: GraphBuilder, y: Value, x: Value, dim: int) -> str:
    return graph.add("LogSoftmax", x, axis=dim)
