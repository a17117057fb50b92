"""How a measured program times itself and weighs its memory."""

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

FEWEST, MOST = 5, 500  # runs that a median is taken of


def typical_time(run: Callable[[], object], seconds: float) -> float:
    """The median time of `run`, repeated for about `seconds`; one run goes before, uncounted."""
    run()
    times, until = [], time.perf_counter() + seconds
    while len(times) < FEWEST or (time.perf_counter() < until and len(times) < MOST):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return median(times)


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes: interpreter, libraries, network and all."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
