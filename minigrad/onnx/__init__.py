"""ONNX: a model as a file that other programs run, written from the tape of its forward pass.

    minigrad.onnx.export(model, images, "model.onnx")

The model's own code says nothing of ONNX. It runs twice while every operation is heard; each becomes a node (see
`minigrad.onnx.converters`), what no operation made is a constant, and sizes that differ between a batch and a larger
one are left open. Needs the `onnx` library: pip install 'minigrad[onnx]'.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minigrad.nn.module import Module
from minigrad.onnx.converters import convert
from minigrad.onnx.graph import GraphBuilder
from minigrad.onnx.recording import merge, record
from minigrad.ops.joining import cat
from minigrad.serialize.files import atomic_write
from minigrad.tensor import Tensor, from_array

OPERATORS, FORMAT = 18, 8  # the operator set, and the file format of the same year (2022), which all runtimes read


def export(
    model: Module,
    args: Tensor | tuple[Tensor, ...],
    f: str | os.PathLike[str],
    *,
    input_names: list[str] | None = None,
    output_names: list[str] | None = None,
) -> None:
    """Write `model`, as it is in evaluation mode, to the file `f`; `args` are inputs as it takes them.

    The first dimension of every input is the batch, whose size the file leaves open; the others are fixed. Names
    left out are "input" and "output", or "input_0", "input_1" where there are several.
    Errors: ModuleNotFoundError without the `onnx` library; ValueError, in one line, for what ONNX cannot say.
    """
    try:
        from onnx import checker, helper
    except ModuleNotFoundError:
        raise ModuleNotFoundError("export: ONNX needs the onnx library; pip install 'minigrad[onnx]'") from None
    inputs = args if isinstance(args, tuple) else (args,)
    if not inputs or not all(isinstance(x, Tensor) and x.ndim for x in inputs):
        raise TypeError("export: args must be a Tensor whose first dimension is the batch, or a tuple of them")

    tape, returned = record(model, tuple([_larger(x) for x in inputs]))  # in which no batch is of a single input
    calls = merge(tape, record(model, inputs)[0])
    outputs = returned if isinstance(returned, tuple) else (returned,)
    if not all(isinstance(y, Tensor) and tape.follows(y) for y in outputs):
        raise ValueError("export: the model must return a tensor computed from its input, or a tuple of them")

    state = [*model.named_parameters(), *model.named_buffers()]
    graph = GraphBuilder({id(tensor.array): name for name, tensor in state})
    given = _names("input", tape.inputs, input_names)
    for x, name in zip(tape.inputs, given, strict=True):
        graph.call(x, name)
    for call in calls:
        graph.module = call.module
        graph.call(call.results[0], convert(graph, call))
    wanted = _names("output", outputs, output_names)
    graph.nodes += [helper.make_node("Identity", [graph.name_of(y)], [n]) for y, n in zip(outputs, wanted, strict=True)]

    def described(tensors: tuple[Tensor, ...], names: list[str]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), ["batch", *x.shape[1:]])
            for x, name in zip(tensors, names, strict=True)
        ]

    content = helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(model).__name__,
            described(tape.inputs, given),
            described(outputs, wanted),
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPERATORS)],
        ir_version=FORMAT,
        producer_name="minigrad",
    )
    checker.check_model(content)
    with atomic_write(f) as file:
        file.write(content.SerializeToString())


def _larger(x: Tensor) -> Tensor:
    """A batch of one input more, with other numbers in it."""
    batch = cat([x, x[:1]])
    if x.dtype.kind != "f":
        return batch
    return from_array(np.random.default_rng(0).standard_normal(batch.shape).astype(x.dtype)).to(x.device)


def _names(kind: str, tensors: tuple[Tensor, ...], names: list[str] | None) -> list[str]:
    if names is None:
        return [kind] if len(tensors) == 1 else [f"{kind}_{place}" for place in range(len(tensors))]
    if len(names) != len(tensors):
        raise ValueError(f"export: {kind}_names must be {len(tensors)} names, but got {names}")
    return names
