"""How the simulator runs: its mode, the GPU it stands for, the order of its threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

MODES = ("fast", "check", "ubsan")


@dataclass(frozen=True)
class Settings:
    """`mode`: "fast", "check" (bounds and races, exact to the byte) or "ubsan" (array indices, alignment, overflow).

    `capability` is that of the GPU simulated, `memory` its bytes (None: no limit). `order` of the threads is 0 (as
    numbered), 1 (backwards, blocks too) or the seed of a shuffle: no result may depend on it.
    """

    mode: str = "fast"
    capability: tuple[int, int] = (9, 0)
    order: int = 0
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"MINIGRAD_CUDA_SIMULATOR_MODE: choose one of {MODES}, not {self.mode!r}")


_current = Settings(mode=os.environ.get("MINIGRAD_CUDA_SIMULATOR_MODE", "fast"))


def current() -> Settings:
    """The settings in force."""
    return _current


@contextmanager
def simulate(**changes: Any) -> Iterator[None]:
    """`with simulate(mode="check", order=1):` other settings, until the end of the block."""
    global _current
    before = _current
    _current = replace(_current, **changes)
    try:
        yield
    finally:
        _current = before
