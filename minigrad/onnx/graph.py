"""An ONNX graph that grows node by node, its operands tensors as the model had them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.device import to_device
from minigrad.tensor import Tensor

Operand = Tensor | str | np.ndarray | None  # a tensor, the name of a value, a constant, or nothing


class GraphBuilder:
    """The nodes and constants so far.

    `names` says what the parameters and buffers are called; a tensor is known by its array. `module` is where in
    the model the nodes to come belong, which viewers such as Netron show.
    """

    def __init__(self, names: dict[int, str]):
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.module = ""
        self._names = names  # id of an array -> what it would be called as a constant
        self._values: dict[int, str] = {}  # id of an array -> the value's name in the graph
        self._alive: list[Any] = []  # so that no other array gets their ids

    def call(self, tensor: Tensor, name: str) -> None:
        """From here on `name` is where the value of `tensor` stands."""
        self._values[id(tensor.array)] = name
        self._alive.append(tensor.array)

    def add(self, operator: str, *operands: Operand, **attributes: Any) -> str:
        """A node of one output; the output's name. None among the operands stands for one left out."""
        from onnx import helper

        name = f"{self.module}/{operator}_{len(self.nodes)}"
        given = [self.name_of(operand) for operand in operands]
        while given and not given[-1]:
            given.pop()
        self.nodes.append(helper.make_node(operator, given, [name], name=name, **attributes))
        return name

    def name_of(self, operand: Operand) -> str:
        """The name of a value, which becomes a constant of the graph if nothing has computed it."""
        if operand is None or isinstance(operand, str):
            return operand or ""
        array = operand.array if isinstance(operand, Tensor) else operand
        if id(array) not in self._values:
            self._values[id(array)] = self._constant(array)
            self._alive.append(array)
        return self._values[id(array)]

    def _constant(self, array: Any) -> str:
        from onnx import numpy_helper

        name = self._names.get(id(array), f"constant_{len(self.constants)}")
        values = np.asarray(to_device(array, "cpu"), order="C")
        self.constants[name] = numpy_helper.from_array(values, name)
        return name
