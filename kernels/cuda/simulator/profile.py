"""What each line of a kernel costs the memory system: bank conflicts and scattered loads, seen without a GPU.

with simulate(mode="check"), profile() as lines:
    launch(...)
for line in lines: print(line)
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import compiler


@dataclass(frozen=True)
class Line:
    """Loads or stores of one instruction. `cost` counts passes over shared memory's banks, or 32-byte sectors of global
    memory; `ideal` is what the same bytes would cost if they lay best. See profile.cpp.
    """

    place: str
    space: str
    operation: str
    bytes: int
    requests: int
    cost: int
    ideal: int

    def __str__(self) -> str:
        what = f"{self.place:40} {self.space} {self.operation} of {self.bytes:2} bytes"
        return f"{what}: {self.requests} requests, {self.cost / self.ideal:.2f} times the ideal"


@contextmanager
def profile() -> Iterator[list[Line]]:
    """The list is filled when the block ends; launches must run in check mode."""
    lines: list[Line] = []
    runtime = compiler.runtime()
    runtime.cudasim_profile(1)
    try:
        yield lines
    finally:
        runtime.cudasim_profile(0)
    pc, kind, numbers = ctypes.c_uint64(), (ctypes.c_int * 3)(), (ctypes.c_double * 3)()
    while runtime.cudasim_profile_get(len(lines), ctypes.byref(pc), kind, numbers):
        space, operation = "shared" if kind[0] else "global", "store" if kind[1] else "load"
        place = compiler.source_line(pc.value)
        lines.append(Line(place, space, operation, kind[2], *map(int, numbers)))
