"""Reading a run's history: its best epoch, and the value that a schedule follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def best_row(history: Sequence[Row]) -> Row:
    """The epoch of the highest validation top-1, or else of the lowest (validation) loss; the first of equals."""

    def goodness(row: Row) -> float:
        value = row["validation_top1"] if "validation_top1" in row else -watched(row, "min")
        return -math.inf if math.isnan(value) else value

    return max(history, key=goodness)


def watched(row: Row, mode: str) -> float:
    """The loss (mode "min") or top-1 ("max") of an epoch, of the validation where there was one."""
    figure = "loss" if mode == "min" else "top1"
    return row[f"validation_{figure}"] if f"validation_{figure}" in row else row[figure]


def describe(row: Row) -> str:
    """The figures of a row in one line: "loss 0.4121  top-1 85.20%"."""
    words = [f"loss {row['loss']:.4f}"]
    if "top1" in row:
        words.append(f"top-1 {row['top1']:.2%}")
    if "validation_loss" in row:
        words.append(f"validation loss {row['validation_loss']:.4f}")
    if "validation_top1" in row:
        words.append(f"top-1 {row['validation_top1']:.2%}")
    if "seconds" in row:
        words.append(f"{row['seconds']:.1f} s")
    return "  ".join(words)
