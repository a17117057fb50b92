"""Converters of what rearranges, selects and joins."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.onnx.converters import Inexpressible, converts, int64
from minigrad.onnx.graph import GraphBuilder, Operand
from minigrad.onnx.recording import Value
from minigrad.onnx.sizes import Size, difference

END = np.iinfo(np.int64).max


@converts("Reshape", sizes=True)
def _reshape(graph: GraphBuilder, y: Value, x: Value, shape: tuple[Any, ...]) -> str:
    sizes = [size for size in shape if isinstance(size, Size)]
    if len(sizes) == 1:  # the rest follows
        return graph.add("Reshape", x, int64(*[-1 if isinstance(size, Size) else size for size in shape]))
    return graph.add("Reshape", x, graph.numbers(shape))


@converts("Permute")
def _permute(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...]) -> str:
    return graph.add("Transpose", x, perm=dims)


@converts("Expand", sizes=True)
def _expand(graph: GraphBuilder, y: Value, x: Value, shape: tuple[Any, ...]) -> str:
    before = (*[1] * (len(shape) - x.ndim), *x.shape)
    sizes = [1 if new == old else new for new, old in zip(shape, before, strict=True)]
    return graph.add("Expand", x, graph.numbers(sizes))


@converts("Slice", sizes=True)
def _slice(graph: GraphBuilder, y: Value, x: Value, index: Any) -> str:
    value: Operand = x
    slices, squeezed, added, dim, place = [], [], [], 0, 0
    for part in index:
        if part is None:
            added.append(place)
        elif isinstance(part, slice):
            if part != slice(None):
                start, step = part.start or 0, part.step or 1
                slices.append((dim, start, END if part.stop is None else part.stop, step))
            dim += 1
        else:
            after = END if part == -1 else part.plus(1) if isinstance(part, Size) else part + 1
            slices.append((dim, part, after, 1))
            squeezed.append(dim)
            dim += 1
        place += part is None or isinstance(part, slice)
    if slices:
        dims, starts, stops, steps = (graph.numbers(numbers) for numbers in zip(*slices, strict=True))
        value = graph.add("Slice", value, starts, stops, dims, steps)
    if squeezed:
        value = graph.add("Squeeze", value, int64(*squeezed))
    return graph.add("Unsqueeze", value, int64(*added)) if added else graph.name_of(value)


@converts("SliceAdjoint", sizes=True)
def _pad(graph: GraphBuilder, y: Value, x: Value, shape: tuple[Any, ...], index: Any, fill: int = 0) -> str:
    if any([part.step not in (None, 1) for part in index]):
        raise Inexpressible("ONNX cannot write into every other element")
    starts = [part.start or 0 for part in index]
    ends = []
    for size, part in zip(shape, index, strict=True):
        end = 0 if part.stop is None else difference(size, part.stop)
        if end is None:
            raise Inexpressible("its padding follows the size of the batch in a way that ONNX cannot say")
        ends.append(end)
    return graph.add("Pad", x, graph.numbers([*starts, *ends]), np.asarray(fill, x.dtype))


@converts("Cat")
def _cat(graph: GraphBuilder, y: Value, dim: int, *tensors: Any) -> str:
    return graph.add("Concat", *tensors, axis=dim)


@converts("Flip")
def _flip(graph: GraphBuilder, y: Value, x: Value, dims: tuple[int, ...]) -> str:
    last, before_first = int64(*[-1] * len(dims)), int64(*[np.iinfo(np.int64).min] * len(dims))
    return graph.add("Slice", x, last, before_first, int64(*dims), int64(*[-1] * len(dims)))


@converts("Index")
def _index(graph: GraphBuilder, y: Value, x: Value, index: Any, distinct: bool = False) -> str:
    """x[:, positions]: reflect, replicate and circular padding are of this kind too."""
    if any([part != slice(None) if isinstance(part, slice) else True for part in index[:-1]]):
        raise Inexpressible("ONNX has no operator for indices in several dimensions, or for a mask")
    return graph.add("Gather", x, np.asarray(index[-1], np.int64), axis=len(index) - 1)


@converts("gather")
def _gather(graph: GraphBuilder, y: Value, x: Value, dim: int, index: Any) -> str:
    chosen = graph.made_by.get(index.index) if isinstance(index, Value) else None
    if chosen is not None and chosen.operation in ("argmax", "argmin") and chosen.arguments == (x, dim, True):
        operator = "ReduceMax" if chosen.operation == "argmax" else "ReduceMin"  # what max(dim) takes there
        return graph.add(operator, x, int64(dim), keepdims=1)
    return graph.add("GatherElements", x, index, axis=dim)


@converts("argmax", "argmin")
def _argmax(graph: GraphBuilder, y: Value, x: Value, dim: int, keepdim: bool) -> str:
    operator = {"argmax": "ArgMax", "argmin": "ArgMin"}[graph.made_by[y.index].operation]
    if dim is not None and x.ndim:
        return graph.add(operator, x, axis=dim, keepdims=int(keepdim))
    place = graph.add(operator, graph.add("Reshape", x, int64(-1)), axis=0, keepdims=0)
    return graph.add("Reshape", place, int64(*[1] * x.ndim)) if keepdim else place


@converts("argsort")
def _argsort(graph: GraphBuilder, y: Value, x: Value, dim: int, descending: Any) -> str:
    count = graph.numbers([x.shape[dim]])
    return graph.add_several("TopK", 2, x, count, axis=dim, largest=int(descending))[1]


@converts("write", sizes=True)
def _write(graph: GraphBuilder, y: Value, value: Any, whole: Any) -> str:
    """In-place: what stands in the tensor from then on."""
    from onnx import helper

    if not whole:
        raise Inexpressible("it writes into a part of a tensor, which ONNX cannot; join the parts with cat or where")
    if value.dtype != y.dtype:
        value = graph.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(y.dtype)))
    elif value.shape == y.shape:
        return graph.name_of(value)
    return graph.add("Expand", value, graph.numbers(y.shape))
