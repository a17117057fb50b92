"""From PyTorch's operations and arguments to minigrad's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import minigrad as mg
from benchmarks.parity.omissions import Omitted
from minigrad.tensor import Tensor, from_array

# Entries of the database that are lambdas around the operation, and how minigrad's is called for them.
ADAPTED: dict[str, Callable] = {
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "__getitem__": lambda x, index: x[index],
    "einsum": lambda operands, equation: mg.einsum(equation, operands),
    "where": lambda x, condition, other: mg.where(condition, x, other),
    "normal/in_place": lambda x, *args, **kwargs: x.normal_(*args, **kwargs),
    "zero_": lambda x: x.clone().zero_(),
    "resize_": lambda x, size: x.clone().resize_(size),
    "resize_as_": lambda x, other: x.clone().resize_as_(other),
}


def counterpart(name: str, variant: str) -> Callable | None:
    """minigrad's operation of this name in the database; None if minigrad has none."""
    full = f"{name}/{variant}" if variant else name
    if full in ADAPTED:
        return ADAPTED[full]
    if name in ADAPTED:
        return ADAPTED[name]
    if name.startswith("nn.functional."):
        return getattr(mg.nn.functional, name.removeprefix("nn.functional."), None)
    function = getattr(mg, name, None)
    # `mg.float` is a dtype, while the operation `float` is a method.
    return function if callable(function) and not isinstance(function, type) else engines_method(name)


def engines_method(name: str) -> Callable | None:
    """A method of Tensor, but not one that the facade adds once something has imported that."""
    method = getattr(mg.Tensor, name, None)
    return None if str(getattr(method, "__module__", "")).startswith("minigrad.torch") else method


def to_minigrad(value: Any) -> Any:
    """The same argument for minigrad: tensors keep their dtype, strides and `requires_grad`."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.dtype):
        return _dtype(value)
    if isinstance(value, torch.device):
        return mg.device(str(value))
    if isinstance(value, torch.memory_format):
        return str(value).removeprefix("torch.")
    if isinstance(value, torch.layout | torch.Generator):
        raise Omitted("layouts and PyTorch's generators")
    if isinstance(value, complex):
        raise Omitted("complex numbers")
    if isinstance(value, slice):
        return slice(*[to_minigrad(part) for part in (value.start, value.stop, value.step)])
    if isinstance(value, dict):
        return {key: to_minigrad(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([to_minigrad(part) for part in value]) if type(value) in (list, tuple) else tuple(value)
    return value


def _tensor(tensor: torch.Tensor) -> Tensor:
    if tensor.layout != torch.strided:
        raise Omitted("sparse tensors")
    if tensor.device.type != "cpu":
        raise Omitted("PyTorch's other devices")
    if tensor.ndim > 64:
        raise Omitted("more dimensions than a NumPy array may have")
    _dtype(tensor.dtype)
    # The whole storage is copied, so that gaps and overlaps between elements stay.
    storage = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).clone()
    array = storage.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()).numpy()
    return from_array(array, requires_grad=tensor.requires_grad)


def _dtype(dtype: torch.dtype) -> np.dtype:
    if dtype.is_complex:
        raise Omitted("complex numbers")
    try:
        return mg.dtypes.check_dtype("parity", str(dtype).removeprefix("torch."))
    except TypeError:
        raise Omitted(f"dtype {str(dtype).removeprefix('torch.')}") from None
