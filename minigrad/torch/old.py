"""Old spellings that PyTorch still takes, and programs still use: tensor types, Variable, names without underscores.

Importing this module also gives `Tensor` the methods `type` and `new`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import dtypes
from minigrad.nn import init
from minigrad.tensor import Tensor


class TensorType:
    """`torch.FloatTensor` and its kin: a tensor class of old, now a dtype and a device with a constructor."""

    def __init__(self, name: str, dtype: np.dtype, device: str = "cpu"):
        self.__name__ = name
        self.dtype = dtype
        self.device = device

    def __call__(self, *data: Any) -> Tensor:
        """An empty tensor of sizes, or a tensor of a sequence, an array or another tensor."""
        is_size = len(data) == 1 and type(data[0]).__name__ == "Size"
        if is_size or all(isinstance(size, int) for size in data):
            sizes = data[0] if is_size else data or (0,)
            return mg.empty(*sizes, dtype=self.dtype, device=self.device)
        if len(data) != 1 or np.isscalar(data[0]):
            raise TypeError(f"{self.__name__}: expected sizes or one sequence of numbers, got {data}")
        return mg.tensor(data[0], dtype=self.dtype, device=self.device)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, Tensor) and _type_name(instance) == f"torch.{self.__name__}"

    def __repr__(self) -> str:
        return f"<class 'torch.{self.__name__}'>"


_NAMES: dict[str, Any] = {
    "Float": dtypes.float32, "Double": dtypes.float64, "Half": dtypes.float16, "Byte": dtypes.uint8,
    "Char": dtypes.int8, "Short": dtypes.int16, "Int": dtypes.int32, "Long": dtypes.int64, "Bool": dtypes.bool_,
}  # fmt: skip
TYPES = {f"{name}Tensor": TensorType(f"{name}Tensor", dtype) for name, dtype in _NAMES.items()}
CUDA_TYPES = {name: TensorType(f"cuda.{name}", kind.dtype, "cuda") for name, kind in TYPES.items()}
_BY_NAME = {f"torch.{kind.__name__}": kind for kind in (*TYPES.values(), *CUDA_TYPES.values())}
_NAME_OF = {dtype: f"{name}Tensor" for name, dtype in _NAMES.items()}


def _type_name(tensor: Tensor) -> str:
    return f"torch.{'cuda.' if tensor.is_cuda else ''}{_NAME_OF[tensor.dtype]}"


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """`Tensor.type`: the name of the tensor's type, or the tensor in the type that is named or given."""
    if dtype is None:
        return _type_name(self)
    kind = _BY_NAME.get(dtype, dtype) if isinstance(dtype, str) else dtype
    if isinstance(kind, TensorType):
        return self.to(device=kind.device, dtype=kind.dtype)
    if kind is Tensor:
        return self.to(mg.get_default_dtype())
    return self.to(kind)


def _new(self: Tensor, *data: Any) -> Tensor:
    """`Tensor.new`: a new tensor of this one's type and device, of sizes or of data."""
    return TensorType("new", self.dtype, str(self.device))(*data)


# The engine does not know these; they are PyTorch's alone.
Tensor.type = _type  # type: ignore[attr-defined]
Tensor.new = _new  # type: ignore[attr-defined]
for _kind in ("is_xpu", "is_mps", "is_sparse", "is_quantized"):  # what no tensor of minigrad is
    setattr(Tensor, _kind, False)


class _VariableMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)

    def __call__(cls, data: Tensor, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2
            )
        return data.detach().requires_grad_(requires_grad)


class Variable(metaclass=_VariableMeta):
    """What tensors with gradients were called until 2018; `Variable(x)` is x, detached."""


def set_default_tensor_type(t: Any) -> None:
    """Make the type's dtype the default one."""
    kind = _BY_NAME.get(t, t) if isinstance(t, str) else t
    if not isinstance(kind, TensorType):
        raise TypeError(f"set_default_tensor_type: expected a tensor type such as torch.FloatTensor, got {t!r}")
    mg.set_default_dtype(kind.dtype)


def renamed(function: Callable[..., Any], old: str) -> Callable[..., Any]:
    """`function` under its old name, with PyTorch's warning."""

    def call(*args: Any, **kwargs: Any) -> Any:
        new = function.__name__
        warnings.warn(f"`{old}` is now deprecated in favor of `{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = old
    return call


INIT = {
    old: renamed(getattr(init, f"{old}_"), f"nn.init.{old}")
    for old in ("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal", "kaiming_uniform",
                "kaiming_normal", "orthogonal", "sparse")
}  # fmt: skip
