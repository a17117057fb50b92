"""What a program that runs with `import torch` sees of shapes and dtypes: torch.Size([2, 3]) and torch.float32.

The engine's own are tuples and NumPy's dtypes. `spell` is called by `minigrad run`, and changes what the properties of
tensors return; a program that imports both packages by hand keeps the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.tensor import Tensor


class _SizeMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        """A tensor's shape is one, which by itself is a tuple."""
        return isinstance(instance, tuple) and all([isinstance(size, int) for size in instance])


class Size(tuple[int, ...], metaclass=_SizeMeta):
    """A tuple of sizes that can count its elements."""

    __module__ = "torch"  # as it is pickled

    def numel(self) -> int:
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __radd__(self, other: Any) -> Size:
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times: Any) -> Size:
        return Size(super().__mul__(times))

    __rmul__ = __mul__

    def __reduce__(self) -> Any:
        return Size, (tuple(self),)

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"


class dtype:
    """One of NumPy's dtypes under PyTorch's name; NumPy takes it for its own, and it equals that."""

    def __init__(self, own: np.dtype[Any]):
        self.dtype = own  # by this attribute NumPy knows it
        self.kind, self.char, self.name, self.itemsize = own.kind, own.char, own.name, own.itemsize
        self.is_floating_point, self.is_complex, self.is_signed = own.kind == "f", False, own.kind in "fi"

    def __eq__(self, other: Any) -> bool:
        if self is other:
            return True
        return other is not None and not isinstance(other, str) and bool(self.dtype == other)

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __getattr__(self, name: str) -> Any:
        if name == "dtype" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dtype, name)

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @property
    def __module__(self) -> str:  # type: ignore[override]
        """As it is pickled."""
        return "torch"


_OWN: list[Any] = [*dtypes.SUPPORTED]
KINDS = {own: dtype(own) for own in _OWN}
SHORT = {"half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32", "long": "int64"}
NAMED = {kind.name: kind for kind in KINDS.values()}
NAMED |= {short: NAMED[name] for short, name in SHORT.items()}


SPELLED: dict[str, Callable[[Any], Any]] = {"shape": partial(tuple.__new__, Size), "dtype": KINDS.__getitem__}


def spell(facade: Any) -> None:
    """Let tensors and the module `facade`, which is `torch`, speak of shapes and dtypes as PyTorch does."""
    for kind in (Tensor, *Tensor.__subclasses__()):
        for name, spelled in SPELLED.items():
            if name in vars(kind):
                setattr(kind, name, _respelled(vars(kind)[name], spelled))
    vars(facade).update(NAMED, dtype=dtype)
    for name in ("get_default_dtype", "promote_types"):
        setattr(facade, name, _named(getattr(facade, name)))


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns one of NumPy's dtypes, under PyTorch's name."""
    return lambda *args, **kwargs: KINDS[function(*args, **kwargs)]


def _respelled(member: property, spelled: Callable[[Any], Any]) -> property:
    get: Any = member.fget
    return property(lambda self: spelled(get(self)), doc=member.__doc__)
