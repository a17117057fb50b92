"""Switches of PyTorch's that change nothing here, and what a program may ask about the machine.

minigrad is deterministic whatever they say, and has no library whose algorithms could be chosen.
"""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import Module

_flags: dict[str, Any] = {"deterministic": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Taken, and nothing to do: the algorithms are."""
    _flags["deterministic"] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was asked for last."""
    return _flags["deterministic"]


def set_num_interop_threads(count: int) -> None:
    """Taken: operations run one after another."""


def get_num_interop_threads() -> int:
    """1: operations run one after another."""
    return 1


def set_flush_denormal(mode: bool) -> bool:
    """False: the processor's way with denormal numbers is not changed."""
    return False


def compile(model: Any = None, **options: Any) -> Any:
    """The module or function itself; as a decorator too. `mg.compile`, where the engine has it."""
    compiler = getattr(mg, "compile", None)
    if model is None:
        return lambda model: compile(model, **options)
    return model if compiler is None or not isinstance(model, Module) else compiler(model)


def set_default_device(device: Any) -> None:
    """Taken for the CPU, where tensors are made by default; a RuntimeError for a GPU, which a program names itself."""
    if device is not None and mg.device(device).type != "cpu":
        raise RuntimeError(
            f"set_default_device: tensors are made on the CPU unless told otherwise, got {str(device)!r}; "
            "pass device= or call .cuda()"
        )


def get_default_device() -> mg.device:
    """The CPU."""
    return mg.device("cpu")
