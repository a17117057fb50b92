"""Export to ONNX: a model as a file that other programs run.

    minigrad.onnx.export(model, images, "model.onnx")

The model runs on batches of several sizes, and its operations are recorded (`recording`). What is the same in all runs
is a constant, and numbers that follow the batch's size are computed from it (`merging`, `sizes`). Each operation then
becomes one or more nodes (`converters`; `arithmetic`, `layers` and `shapes`). Needs the `onnx` library:
pip install 'minigrad[onnx]'.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minigrad.nn.module import Module
from minigrad.onnx import arithmetic, layers, shapes  # noqa: F401  # each registers its converters
from minigrad.onnx.converters import convert
from minigrad.onnx.graph import GraphBuilder
from minigrad.onnx.merging import Merger
from minigrad.onnx.recording import Value, record
from minigrad.onnx.sizes import Size
from minigrad.serialize.files import atomic_write
from minigrad.tensor import Tensor, from_array

__all__ = ["export"]

OPERATORS, FORMAT = 18, 8  # the operator set, and the file format of the same year (2022), which all runtimes read
BATCHES = (2, 3, 16)  # the sizes of batches that are compared: without 1, which broadcasts; far enough apart for n // 8


def export(
    model: Module,
    args: Tensor | tuple[Tensor, ...],
    f: str | os.PathLike[str],
    *,
    input_names: list[str] | None = None,
    output_names: list[str] | None = None,
) -> None:
    """Write `model`, as it is in evaluation mode, to a file.

    The first dimension of every input is the batch, whose size the file leaves open; the others are fixed. The model
    runs on batches of 2, 3 and 16, and of 1 if that is what `args` are, with random numbers.

    Args:
        model: the model; it is left as it was.
        args: an input as the model takes it, or a tuple of them.
        f: the path of the file.
        input_names: names of the inputs; None means "input", or "input_0", "input_1", ... if there are several.
        output_names: names of the outputs; None means "output", or "output_0", "output_1", ...

    Raises:
        ModuleNotFoundError: the `onnx` library is missing.
        TypeError: `args` are not tensors with a batch.
        ValueError: ONNX cannot say what the model does: it has no such operator, or a number or a branch depends on
            the inputs' values. The message names the operation and the line of the model's code.

    Examples:
        >>> import minigrad.onnx
        >>> minigrad.onnx.export(nn.Linear(4, 2), mg.randn(1, 4), "linear.onnx")
    """
    try:
        from onnx import checker, helper
    except ModuleNotFoundError:
        raise ModuleNotFoundError("export: ONNX needs the onnx library; pip install 'minigrad[onnx]'") from None
    inputs = args if isinstance(args, tuple) else (args,)
    if not inputs or not all(isinstance(x, Tensor) and x.ndim for x in inputs):
        raise TypeError("export: args must be a Tensor whose first dimension is the batch, or a tuple of them")

    counts = {len(x) for x in inputs}
    if len(counts) > 1 or 0 in counts:
        raise ValueError(f"export: the inputs must be as many, but their batches are {[len(x) for x in inputs]}")
    batches = (*BATCHES, 1) if counts == {1} else BATCHES
    merged = Merger(batches, [record(model, tuple([_resized(x, batch) for x in inputs])) for batch in batches])

    state = [*model.named_parameters(), *model.named_buffers()]
    graph = GraphBuilder({id(tensor.array): name for name, tensor in state})
    given = _names("input", len(merged.inputs), input_names)
    for x, name in zip(merged.inputs, given, strict=True):
        graph.call(x, name)
    for call in merged.calls:
        graph.module = call.module
        graph.made_by.update({value.index: call for value in call.results})
        graph.call(call.results[0], convert(graph, call))
    graph.module = ""
    wanted = _names("output", len(merged.outputs), output_names)
    for y, name in zip(merged.outputs, wanted, strict=True):
        graph.nodes.append(helper.make_node("Identity", [graph.name_of(y)], [name]))
    graph.prune(wanted)

    def described(values: tuple[Value, ...], names: list[str]) -> list[Any]:
        return [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(np.dtype(x.dtype)),
                [str(size) if isinstance(size, Size) else size for size in x.shape],
            )
            for x, name in zip(values, names, strict=True)
        ]

    content = helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(model).__name__,
            described(merged.inputs, given),
            described(merged.outputs, wanted),
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPERATORS)],
        ir_version=FORMAT,
        producer_name="minigrad",
    )
    checker.check_model(content)
    with atomic_write(f) as file:
        file.write(content.SerializeToString())


def _resized(x: Tensor, batch: int) -> Tensor:
    """A batch of another size: other numbers if they are floating-point, else those of `x` again and again."""
    if x.dtype.kind != "f":
        return x[[place % len(x) for place in range(batch)]]
    numbers = np.random.default_rng(batch).standard_normal((batch, *x.shape[1:]))
    return from_array(numbers.astype(x.dtype)).to(x.device)


def _names(kind: str, count: int, names: list[str] | None) -> list[str]:
    if names is None:
        return [kind] if count == 1 else [f"{kind}_{place}" for place in range(count)]
    if len(names) != count:
        raise ValueError(f"export: {kind}_names must be {count} names, but got {names}")
    return names
