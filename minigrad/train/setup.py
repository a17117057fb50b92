"""The settings of a run, as plain values that a checkpoint stores and a resumed run is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.nn import Module
from minigrad.optim.lr_scheduler import LRScheduler
from minigrad.optim.optimizer import Optimizer


def setup_of(
    model: Module, optimizer: Optimizer, criterion: Callable[..., Any], scheduler: LRScheduler | None, **own: Any
) -> dict[str, Any]:
    """The settings of a new Trainer: of its parts by "optimizer.lr" and the like, and its `own`."""
    parameters = sum([p.numel() for p in model.parameters()])
    setup: dict[str, Any] = {"model": type(model).__name__, "parameters": parameters}
    for i, group in enumerate(optimizer.param_groups):
        setup |= _settings("optimizer" if i == 0 else f"optimizer[{i}]", optimizer, group)
    setup |= _settings("criterion", criterion, getattr(criterion, "__dict__", {}))
    setup |= _settings("scheduler", scheduler, {} if scheduler is None else scheduler.state_dict())
    return {**setup, **own}


def loader_setup(loader: Any) -> dict[str, Any]:
    """How a loader cuts an epoch into batches, as far as it tells."""
    return {"batch_size": getattr(loader, "batch_size", None), "batches": length_of(loader)}


def length_of(loader: Any) -> int | None:
    """The number of batches in an epoch; None if unknown."""
    try:
        return len(loader)
    except TypeError:
        return None


def difference(saved: dict[str, Any], setup: dict[str, Any]) -> str:
    """Describe the first setting that differs from the saved one; "" where none does."""
    for key, value in sorted(setup.items(), key=lambda item: "." in item[0]):
        if saved.get(key) != value:
            return f"{key} {saved.get(key)!r}, not {value!r}"
    return ""


def _settings(part: str, of: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The kind of a part, and those of its values that are public and plain."""
    kind = getattr(of, "__name__", type(of).__name__)
    plain = {key: v for key, v in values.items() if not key.startswith("_") and key != "params" and _is_plain(v)}
    return {part: kind, **{f"{part}.{key}": value for key, value in plain.items()}}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
