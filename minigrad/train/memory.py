"""How much memory a training step needs, how much there is, and what to say where it does not suffice."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minigrad.nn import Module
from minigrad.nn.summary import summary

STATES = {"SGD": 1, "Adam": 2, "AdamW": 2}  # arrays as large as the weights that an optimizer keeps


def step_bytes(model: Module, optimizer: Any, shape: Sequence[int], batch: int) -> int:
    """About how much a training step on `batch` inputs of that shape holds at once, at the least.

    The weights, their gradients, the optimizer's state, and each layer's output, which the backward pass needs; working
    memory, and what a forward pass computes without a layer, come on top.
    """
    weights = sum(parameter.array.nbytes for parameter in model.parameters())
    kept = summary(model, tuple(shape)).forward_bytes
    return weights * (2 + STATES.get(type(optimizer).__name__, 1)) + batch * kept


def allowed_bytes() -> float:
    """The memory that this process may have: the least of the machine's, its cgroup's and its own limit."""
    limits = [math.inf]
    for path, unit in (("/sys/fs/cgroup/memory.max", 1), ("/sys/fs/cgroup/memory/memory.limit_in_bytes", 1)):
        limits.append(_number(path, 0, unit))
    limits.append(_number("/proc/meminfo", 1, 1024))
    if sys.platform != "win32":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _number(path: str, word: int, unit: int) -> float:
    """The number that is a file's `word`-th word; infinity where there is none."""
    try:
        return int(Path(path).read_text().split()[word]) * unit
    except (OSError, ValueError, IndexError):
        return math.inf


def out_of_memory(why: str, model: Module, optimizer: Any, shape: Sequence[int]) -> str:
    """The message for a step on a batch of shape `shape` (N, ...) that found no memory."""
    size = " x ".join(map(str, shape))
    try:
        need = f", which holds at least {gigabytes(step_bytes(model, optimizer, shape[1:], shape[0]))}"
    except (MemoryError, RuntimeError, TypeError, ValueError):  # a model that does not run alone, or not for one input
        need = ""
    return (
        f"out of memory in a step on a batch of {size}{need}: {why or 'an allocation failed'}; take a smaller batch "
        "(with accumulate for the same gradients), or wrap layers in autograd.checkpoint"
    )


def gigabytes(size: float) -> str:
    """A size in bytes as words."""
    return f"{size / 1e9:.2g} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"
