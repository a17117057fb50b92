"""Times on the GPU's own clock, by events in its queue; and whether there is one for the library in use.

Without a GPU (a rehearsal on the simulator, or with PyTorch's CPU build) the host's clock takes its place.
"""

import math
import os
import time
from collections.abc import Callable
from statistics import median

from benchmarks.backend import torch

IS_TORCH = os.environ["BENCHMARK_LIBRARY"] == "torch"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ON_GPU = DEVICE == "cuda" and (IS_TORCH or torch.cuda.get_device_name() != "simulator")

GROUPS = 5  # that a median is taken of
MOST = 100  # runs in a group: with a few kernels a run, fewer than the GPU's queue holds (1,024 launches)
LEAD_BYTES = 256 * 2**20  # copied to keep the GPU busy while the host goes ahead: some 0.1 ms on an H200


class HostEvent:
    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: "HostEvent") -> float:
        return 1000 * (end.at - self.at)


class CupyEvent:
    def __init__(self) -> None:
        import cupy

        self._event = cupy.cuda.Event()
        self.record, self.synchronize = self._event.record, self._event.synchronize

    def elapsed_time(self, end: "CupyEvent") -> float:
        import cupy

        return cupy.cuda.get_elapsed_time(self._event, end._event)


def event():
    """With PyTorch's methods: record, synchronize, elapsed_time in milliseconds."""
    if not ON_GPU:
        return HostEvent()
    return torch.cuda.Event(enable_timing=True) if IS_TORCH else CupyEvent()


def wait() -> None:
    """Until the GPU has done all that it was asked for."""
    if ON_GPU:
        torch.cuda.synchronize()


def seconds_each(run: Callable[[], object], times: int, before: Callable[[], object] | None = None) -> float:
    """Seconds a run between two events, `times` runs in a row; `before` is queued before the first event."""
    begin, end = event(), event()
    if before is not None:
        before()
    begin.record()
    for _ in range(times):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000 / times


def typical_time(run: Callable[[], object], seconds: float) -> float:
    """Seconds of a run as a program feels them: where the host is slower than the GPU, the host's time. Warms up."""
    run()
    wait()
    times = _count(seconds, seconds_each(run, 2))
    return median(seconds_each(run, times) for _ in range(GROUPS))


def typical_device_time(run: Callable[[], object], seconds: float) -> float:
    """Seconds of a run on the GPU alone: the runs are queued behind copies that last as long as the host needs."""
    if not ON_GPU:
        return typical_time(run, seconds)
    run()
    wait()
    times = min(_count(seconds, seconds_each(run, 2)), 30)
    begin = time.perf_counter()
    for _ in range(times):
        run()
    host = time.perf_counter() - begin
    wait()
    go_ahead = occupation(1.5 * host)
    return median(seconds_each(run, times, go_ahead) for _ in range(GROUPS))


def occupation(seconds: float) -> Callable[[], None]:
    """A function that keeps the GPU busy for so long with copies; what is queued after it waits for its end."""
    if not ON_GPU:
        return lambda: None
    source, target = (torch.empty(LEAD_BYTES // 4, device=DEVICE) for _ in range(2))
    target.copy_(source)
    copies = min(math.ceil(seconds / seconds_each(lambda: target.copy_(source), 3)), 500)

    def occupy() -> None:
        for _ in range(copies):
            target.copy_(source)

    return occupy


def _count(seconds: float, each: float) -> int:
    """Runs in a group, for all groups to last about `seconds`."""
    return max(1, min(MOST, int(seconds / GROUPS / max(each, 1e-6))))
