"""The plot of a run: loss, accuracy and learning rate per epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PANELS = (  # what each panel shows: its title, the keys of training and validation, the factor
    ("loss", ("loss", "validation_loss"), 1),
    ("top-1 error in %", ("top1", "validation_top1"), 100),
    ("learning rate", ("lr",), 1),
)


def draw_curves(path: Path, history: Sequence[dict[str, Any]], title: str = "") -> None:
    """Write the curves of `history` (see `Trainer.fit`) to `path` (.png)."""
    from minigrad.study.plots.figure import BLUE, ORANGE, NotebookFigure

    panels = [panel for panel in PANELS if panel[1][0] in history[0]]
    figure = NotebookFigure(title, 4.2 * len(panels), 3.4)
    for axis, (label, keys, factor) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for key, color, name in zip(keys, (BLUE, ORANGE), ("training", "validation"), strict=False):
            rows = [row for row in history if key in row]
            if not rows:
                continue
            values = [factor * (1 - row[key] if "error" in label else row[key]) for row in rows]
            axis.plot([row["epoch"] for row in rows], values, color=color, marker="o", markersize=3, label=name)
        axis.set_title(label, fontsize=11, loc="left")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        if len(axis.lines) > 1:
            axis.legend(frameon=False)
    figure.write(path)
