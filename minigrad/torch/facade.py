"""How a module of the facade stands for one of PyTorch's: it has the engine's names, and those written into it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from minigrad.torch.scope import why_out_of_scope


class MissingName(AttributeError):
    """A program asks for a name of PyTorch's that minigrad does not have."""


def missing(name: str) -> str:
    """The line that says so of a full name, such as torch.nn.LSTM."""
    why = why_out_of_scope(name)
    return f"{name} is not in minigrad" + (f" (out of scope: {why})" if why else "")


def face(module: str, *engine: ModuleType) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of the facade's `module`: what it lacks is looked up in the engine's modules."""

    def names() -> list[str]:
        found = {name for name in vars(sys.modules[module]) if not name.startswith("_")}
        for part in engine:
            found.update(getattr(part, "__all__", [name for name in dir(part) if not name.startswith("_")]))
        return sorted(found)

    def get(name: str) -> Any:
        if name == "__all__":  # what `from torch.nn import *` asks for
            return names()
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        for part in engine:
            if hasattr(part, name):
                return getattr(part, name)
        raise MissingName(missing(f"{module.removeprefix('minigrad.')}.{name}"), name=name, obj=sys.modules[module])

    return get, names
