"""An array as data for a page: its numbers if they are few, otherwise a heat map and statistics."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from minigrad.record.records import statistics_of

FEW = 64  # elements that are written out
POINTS = 6144  # points of a heat map: 6 maps of 28x28 fit, as LeNet-5's first layer puts out
SIDE = 96  # points along one side of a map
STRIP = 32  # points in a row, for a vector
LEVELS = 127  # a point is a signed byte: the share of the largest absolute value; -128 is no number


def picture_of(array: np.ndarray | None) -> dict[str, Any] | None:
    """What a page needs to show `array`, as JSON takes it; None for a value that nothing kept."""
    if array is None:
        return None
    shown: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size <= FEW:
        shown["numbers"] = [_number(value) for value in array.reshape(-1).tolist()]
        return shown
    statistics = statistics_of(array)
    if statistics is not None:
        shown["statistics"] = {
            "min": _number(float(array.min())),
            "max": _number(float(array.max())),
            "mean": _number(statistics.mean),
            "norm": _number(statistics.norm),
            "zeros": statistics.zeros,
        }
    maps, note = _maps(array.astype(np.float64))
    columns = array.shape[1] if array.ndim == 4 and array.shape[0] > 1 else 0  # a weight: a row for each output
    finite = np.abs(maps[np.isfinite(maps)])
    largest = float(finite.max()) if finite.size else 0.0
    levels = np.full(maps.shape, -128, np.int8)
    scaled = np.where(np.isfinite(maps), maps, 0) / (largest or 1.0) * LEVELS
    levels[np.isfinite(maps)] = np.rint(scaled[np.isfinite(maps)]).astype(np.int8)
    shown["maps"] = {
        "count": len(maps),
        "height": maps.shape[1],
        "width": maps.shape[2],
        "columns": columns,
        "largest": _number(largest),
        "levels": base64.b64encode(levels.tobytes()).decode(),
        "note": note,
    }
    return shown


def short(array: np.ndarray | None) -> str:
    """The value of a scalar in a few characters; "" for anything else."""
    return number_text(array.item()) if array is not None and array.size == 1 and array.dtype.kind in "fiu" else ""


def number_text(value: float) -> str:
    """A number with four digits: 26, 0.1667, −1.5e-07."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}[str(float(value))]
    return f"{value:.4g}".replace("-", "−", 1) if value < 0 else f"{value:.4g}"


def _number(value: float | int | bool) -> float | int | str:
    """A number as JSON has it: infinities and NaN are words there, and seven digits are what float32 holds."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else number_text(value)
    return int(value)


def _maps(array: np.ndarray) -> tuple[np.ndarray, str]:
    """The array as (maps, height, width) with few enough points, and what was left out or averaged."""
    notes = []
    if array.ndim == 1 or array.size == max(array.shape):
        rows = -(-array.size // STRIP)
        padded = np.full(rows * STRIP, np.nan)
        padded[: array.size] = array.reshape(-1)
        maps = padded.reshape(1, rows, STRIP)
        if array.size > STRIP:
            notes.append(f"rows of {STRIP}")
    else:
        if array.ndim > 3 and array.shape[0] > 1 and array.shape[2] * array.shape[3] > STRIP:
            notes.append(f"the first of {array.shape[0]}")
            array = array[:1]
        maps = array.reshape(-1, *array.shape[-2:])
    height, width = maps.shape[1:]
    step = max(1, math.ceil(max(height, width) / SIDE), math.ceil(math.sqrt(height * width / POINTS)))
    if step > 1:
        notes.append(f"each point is the mean of {step}×{step}")
        rows, columns = -(-height // step), -(-width // step)
        filled = np.full((len(maps), rows * step, columns * step), np.nan)
        filled[:, :height, :width] = maps
        blocks = filled.reshape(len(maps), rows, step, columns, step)
        counted = np.isfinite(blocks).sum((2, 4))
        maps = np.nansum(blocks, (2, 4)) / np.where(counted, counted, np.nan)
    most = max(1, POINTS // (maps.shape[1] * maps.shape[2]))
    if len(maps) > most:
        notes.append(f"{most} of {len(maps)} maps")
        maps = maps[:most]
    return maps, ", ".join(notes)
