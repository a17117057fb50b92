"""What a test of an operation needs to know: how to call it, and an independent function that gives its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minigrad as mg


@dataclass(frozen=True)
class Case:
    """One call of one operation.

    `inputs` are arrays (float64 ones are differentiated; give them no ties and no kinks by accident);
    `reference` takes the same arrays and gives the value: NumPy, SciPy or a few lines of loops, never minigrad.
    """

    name: str  # as exported: "exp" of minigrad, "nn.functional.conv2d"; a variant follows a space
    inputs: tuple[Any, ...]
    reference: Callable
    options: dict[str, Any] = field(default_factory=dict)
    differentiable: bool = True
    function: Callable | None = None  # where the call is not simply name(*inputs, **options)
    atol: float = 1e-10

    def call(self, *tensors: Any) -> Any:
        function = self.function
        if function is None:
            function = mg
            for part in self.name.split()[0].split("."):
                function = getattr(function, part)
        return function(*tensors, **self.options)

    def tensors(self, dtype: str = "float64", requires_grad: bool = False, view: bool = False) -> list[Any]:
        """The inputs as tensors; with `view` as ones that are not contiguous."""
        made = []
        for value in self.inputs:
            if isinstance(value, list):  # cat and stack take lists of tensors
                made.append([self._tensor(v, dtype, requires_grad, view) for v in value])
            else:
                made.append(self._tensor(value, dtype, requires_grad, view))
        return made

    def _tensor(self, value: Any, dtype: str, requires_grad: bool, view: bool) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype == np.float64:
            value = value.astype(dtype)
        value = spread(value) if view else value.copy()
        tensor = mg.from_numpy(value)
        return tensor.requires_grad_() if requires_grad and value.dtype.kind == "f" and self.differentiable else tensor


def spread(array: np.ndarray) -> np.ndarray:
    """The same values in every other element of a larger array, with the axes in another order in memory."""
    room = np.zeros([2 * size for size in array.shape[::-1]], array.dtype)
    target = room[tuple([slice(None, None, 2)] * array.ndim)].T
    target[...] = array
    return target


def leaves(tensors: list[Any]) -> list[Any]:
    """The tensors among arguments, those in lists too."""
    flat = [t for value in tensors for t in (value if isinstance(value, list) else [value])]
    return [t for t in flat if isinstance(t, mg.Tensor)]


def outputs(result: Any) -> list[Any]:
    """The tensors that a call returned."""
    return [result] if isinstance(result, mg.Tensor) else [r for r in result if isinstance(r, mg.Tensor)]
