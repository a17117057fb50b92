"""A run's logs: `history.csv`, a row per epoch, and `log.jsonl`, a line per epoch and every few steps."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

from minigrad.serialize.files import atomic_write, explained, read_bytes

EVERY = 50  # steps between two lines of log.jsonl: a curve of a few hundred points for an epoch of ImageNet


class Logs:
    """Writes both logs into a folder.

    The lines are written before the checkpoint that follows them, so after a crash the log may be ahead of the
    checkpoint, but not behind: `rewind` drops what is beyond it. A power cut may take the last lines.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.table = Path(folder) / "history.csv"
        self.lines = Path(folder) / "log.jsonl"
        self._torn = False  # whether the last line may have been written in part

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
        for line in read_bytes(self.lines).splitlines() if self.lines.exists() else []:
            try:
                event = json.loads(line)
                beyond = event["step"] > step or (event["event"] == "epoch" and event["epoch"] > len(history))
            except (ValueError, TypeError, KeyError):
                continue  # a line that was being written when the process, the disk or the power failed
            if beyond:
                break
            kept.append(line + b"\n")
        with atomic_write(self.lines) as file:
            file.write(b"".join(kept))
        self._write_table(history)

    def _append(self, event: dict[str, Any]) -> None:
        line = json.dumps({key: _plain(value) for key, value in event.items()}) + "\n"
        start, self._torn = "\n" if self._torn else "", True
        try:
            with open(self.lines, "a") as file:
                file.write(start + line)
        except OSError as error:
            raise explained(error, f"cannot write {str(self.lines)!r}") from None
        self._torn = False

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
