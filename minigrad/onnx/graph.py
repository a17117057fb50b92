"""An ONNX graph that grows node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.device import to_device
from minigrad.onnx.recording import Call, Value
from minigrad.onnx.sizes import BATCH, Size
from minigrad.tensor import Tensor

Operand = Value | Tensor | Size | str | np.ndarray | None  # a constant is a Tensor or an array; a str names a value


class GraphBuilder:
    """The nodes and constants so far.

    Args:
        names: what parameters and buffers are called, by the id of their arrays.

    `module` is where in the model the nodes to come belong, which viewers such as Netron show.
    """

    def __init__(self, names: dict[int, str]):
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.module = ""
        self.made_by: dict[int, Call] = {}  # the call that made a value, by the value's index
        self._names = names
        self._values: dict[int, str] = {}  # index of a Value -> its name in the graph
        self._arrays: dict[int, tuple[Any, str]] = {}  # id of a constant's array -> itself, its name
        self._sizes: dict[Size, str] = {}

    def call(self, value: Value, name: str) -> None:
        """From here on `name` is where `value` stands."""
        self._values[value.index] = name

    def add(self, operator: str, *operands: Operand, **attributes: Any) -> str:
        """A node of one output; the output's name. None among the operands stands for one left out."""
        return self.add_several(operator, 1, *operands, **attributes)[0]

    def add_several(self, operator: str, outputs: int, *operands: Operand, **attributes: Any) -> list[str]:
        """A node of several outputs; their names."""
        from onnx import helper

        name = f"{self.module}/{operator}_{len(self.nodes)}"
        given = [self.name_of(operand) for operand in operands]
        while given and not given[-1]:
            given.pop()
        results = [name] if outputs == 1 else [f"{name}:{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(operator, given, results, name=name, **attributes))
        return results

    def name_of(self, operand: Operand) -> str:
        """The name of a value; a tensor that nothing computes becomes a constant of the graph."""
        if operand is None or isinstance(operand, str):
            return operand or ""
        if isinstance(operand, Size):
            return self._size(operand)
        if isinstance(operand, Value):
            if operand.index not in self._values:
                raise ValueError(f"export: ONNX has no operator for the other results of {self.made_by[operand.index]}")
            return self._values[operand.index]
        array = operand.array if isinstance(operand, Tensor) else operand
        if id(array) not in self._arrays:
            self._arrays[id(array)] = array, self._constant(array)
        return self._arrays[id(array)][1]

    def numbers(self, numbers: Sequence[int | Size]) -> Operand:
        """Whole numbers as a vector, which is a constant if none of them is a size."""
        if not any([isinstance(number, Size) for number in numbers]):
            return np.array(numbers, np.int64)
        parts = [number if isinstance(number, Size) else np.array([number], np.int64) for number in numbers]
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=0)

    def scalar(self, number: float | Size, dtype: Any) -> Operand:
        """A number as a tensor without dimensions."""
        from onnx import helper

        if not isinstance(number, Size):
            return np.asarray(number, dtype)
        number_of_dtype = self.add("Cast", number, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        return self.add("Squeeze", number_of_dtype, np.array([0]))

    def prune(self, outputs: Sequence[str]) -> None:
        """Remove what no output needs."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: constant for name, constant in self.constants.items() if name in needed}

    def _size(self, size: Size) -> str:
        """A vector of one number, computed from the first input's shape."""
        if size not in self._sizes:
            module, self.module = self.module, ""
            if size == BATCH:
                name = self.add("Shape", Value(0, (), None), start=0, end=1)
            else:
                name = self._size(BATCH)
                for operator, number in (("Mul", size.scale), ("Add", size.offset), ("Div", size.divisor)):
                    if number != (operator != "Add"):  # times 1, plus 0, by 1
                        name = self.add(operator, name, np.array([number], np.int64))
            self._sizes[size], self.module = name, module
        return self._sizes[size]

    def _constant(self, array: Any) -> str:
        from onnx import numpy_helper

        name = self._names.get(id(array), f"constant_{len(self.constants)}")
        values = np.asarray(to_device(array, "cpu"), order="C")
        self.constants[name] = numpy_helper.from_array(values, name)
        return name
