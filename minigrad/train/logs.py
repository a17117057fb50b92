"""A run's logs: `history.csv`, a row per epoch, and `log.jsonl`, a line per epoch and every few steps."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

from minigrad.serialize.files import atomic_write

EVERY = 50  # steps between two lines of log.jsonl: a curve of a few hundred points for an epoch of ImageNet


class Logs:
    """Writes both logs into a folder.

    The lines are written before the checkpoint that follows them, so after a crash the log may be ahead of the
    checkpoint, but never behind: `rewind` drops what is beyond it.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.table = Path(folder) / "history.csv"
        self.lines = Path(folder) / "log.jsonl"

    def step(self, **figures: Any) -> None:
        """Append a line about the training so far."""
        self._append({"event": "step", **figures})

    def epoch(self, history: list[dict[str, Any]], step: int) -> None:
        """Append a line about the last epoch of `history`, which ended at `step`, and write the table."""
        self._append({"event": "epoch", "step": step, **history[-1]})
        self._write_table(history)

    def rewind(self, history: list[dict[str, Any]], step: int) -> None:
        """Drop all that was logged after `step`, or after the last epoch of `history`; nothing at all is a new log."""
        kept = []
        for line in self.lines.read_text().splitlines() if self.lines.exists() else []:
            try:
                event = json.loads(line)
            except ValueError:
                break  # the line that was being written
            if event["step"] > step or (event["event"] == "epoch" and event["epoch"] > len(history)):
                break
            kept.append(line)
        with atomic_write(self.lines) as file:
            file.write("".join(f"{line}\n" for line in kept).encode())
        self._write_table(history)

    def _append(self, event: dict[str, Any]) -> None:
        with open(self.lines, "a") as file:
            file.write(json.dumps({key: _plain(value) for key, value in event.items()}) + "\n")

    def _write_table(self, history: list[dict[str, Any]]) -> None:
        text = io.StringIO(newline="")
        columns = {key: None for row in history for key in row}  # a dict keeps their order
        writer = csv.DictWriter(text, list(columns))
        writer.writeheader()
        writer.writerows(history)
        with atomic_write(self.table) as file:
            file.write(text.getvalue().encode())


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
