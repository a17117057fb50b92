"""A record of what the device was asked to do: to show that two training steps ask for the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import cannot_hold
from .graph import capturing

# A stream that is being captured refuses these: CuPy computes them with cuBLAS, or sorts with Thrust, which waits.
REFUSED_IN_CAPTURE = {
    *("matmul", "dot", "vdot", "inner", "outer", "tensordot", "einsum", "kron"),
    *("sort", "argsort", "lexsort", "partition", "argpartition", "median", "percentile", "quantile"),
}

_REFUSED = {
    "read": "a wait for a value of the GPU ({name})",
    "download": "a copy from the GPU to the host",
    "upload": "a copy from the host to the GPU",
}


@dataclass(frozen=True)
class Event:
    """One request to the device.

    `kind` is "launch" (a kernel of ours), "call" (a function of the array module), "allocate", "read" (the host waits
    for a value), "upload" or "download" (copies between host and device). `name` is the kernel or the function.
    `details` hold all that a CUDA graph would freeze: grid, block, pointers, scalars.
    """

    kind: str
    name: str
    details: tuple[Any, ...] = ()

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can hold it: no waiting, no copies from or to the host, no cuBLAS."""
        if self.kind in ("read", "upload", "download"):
            return False
        return self.kind != "call" or not (self.name in REFUSED_IN_CAPTURE or self.name.startswith("linalg."))


_traces: list[list[Event]] = []


@contextmanager
def trace_launches() -> Iterator[list[Event]]:
    """`with trace_launches() as events:` every request to the simulated device, in order."""
    events: list[Event] = []
    _traces.append(events)
    try:
        yield events
    finally:
        # by identity: two traces may hold equal events
        _traces[:] = [trace for trace in _traces if trace is not events]


def tracing() -> bool:
    return bool(_traces) or capturing() is not None


def record(kind: str, name: str, *details: Any) -> None:
    if not tracing():
        return
    event = Event(kind, name, details)
    for trace in _traces:
        trace.append(event)
    if capturing() is not None and not event.capturable:
        raise cannot_hold(_REFUSED.get(kind, f"{name}, which is computed by a library").format(name=name))
