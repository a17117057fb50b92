"""Convolution's windows: sliding over an image, and stood up as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.patches import Rectangle

from .graphs import number
from .style import BLUE, GREEN, GREY, PALE_BLUE, PALE_GREEN, PALE_GREY, PALE_PURPLE, PURPLE, STYLE, Picture, new_figure


def draw_sliding(x: Any, w: Any, places: Sequence[tuple[int, int]], stride: int = 1, padding: int = 0) -> Picture:
    """A window on the image x (H, W) in one panel a place, with what it adds to the result so far."""
    x, w = np.asarray(x, float), np.asarray(w, float)
    padded = np.pad(x, padding)
    kernel = len(w)
    out = [(size - kernel) // stride + 1 for size in padded.shape]
    with mpl.rc_context(STYLE):
        cells = len(places) * (padded.shape[1] + out[1] + 2.5)
        unit = min(0.3, 8.2 / cells)  # inches a cell: the picture fits a page
        figure, axes = new_figure(unit * cells, unit * padded.shape[0] + 0.4, 1, len(places))
        for axis, (i, j) in zip(axes[0], places, strict=True):
            top, left = i * stride, j * stride
            for (row, column), entry in np.ndenumerate(padded):
                inside = padding <= row < padding + x.shape[0] and padding <= column < padding + x.shape[1]
                seen = top <= row < top + kernel and left <= column < left + kernel
                color = PALE_BLUE if seen else "white" if inside else PALE_GREY
                _cell(axis, column, row, entry, color, faint=not inside)
            axis.add_patch(Rectangle((left, top), kernel, kernel, fill=False, edgecolor=BLUE, linewidth=2.5, zorder=5))
            start, middle = padded.shape[1] + 1.6, (padded.shape[0] - out[0]) / 2
            axis.annotate(
                "",
                xy=(start - 0.25, padded.shape[0] / 2),
                xytext=(padded.shape[1] + 0.3, padded.shape[0] / 2),
                arrowprops={"arrowstyle": "-|>", "color": GREY},
            )
            for row, column in np.ndindex(*out):
                window = padded[row * stride : row * stride + kernel, column * stride : column * stride + kernel]
                done = (row, column) <= (i, j)
                here = (row, column) == (i, j)
                color = PALE_BLUE if here else "white"
                _cell(axis, start + column, middle + row, (window * w).sum() if done else None, color)
                if here:
                    place = (start + column, middle + row)
                    axis.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=BLUE, linewidth=2.5, zorder=5))
            _frame(axis, start + out[1], padded.shape[0])
            axis.set_title(f"window ({i}, {j})", color=GREY)
        return Picture(figure)


def draw_im2col(x: Any, kernel: int, columns: Any, marked: Sequence[int]) -> Picture:
    """The image x (H, W) and the matrix of its windows; the windows `marked` have a colour in both."""
    x, columns = np.asarray(x), np.asarray(columns)
    across = x.shape[1] - kernel + 1
    with mpl.rc_context(STYLE):
        figure, ((axis,),) = new_figure(0.34 * (x.shape[1] + columns.shape[1] + 3), 0.34 * (len(columns) + 1.2))
        start, middle = x.shape[1] + 3, (len(columns) - x.shape[0]) / 2
        for (row, column), entry in np.ndenumerate(x):
            _cell(axis, column, middle + row, entry, "white")
        colors = dict(zip(marked, ((BLUE, PALE_BLUE), (GREEN, PALE_GREEN), (PURPLE, PALE_PURPLE)), strict=False))
        for (row, column), entry in np.ndenumerate(columns):
            _cell(axis, start + column, row, entry, colors.get(column, (None, "white"))[1])
        for shift, (window, (color, _)) in enumerate(colors.items()):
            i, j = divmod(window, across)
            inset = 0.07 * shift  # so that frames that share an edge stay apart
            size = kernel - 2 * inset
            axis.add_patch(
                Rectangle(
                    (j + inset, middle + i + inset), size, size, fill=False, edgecolor=color, linewidth=2.5, zorder=5
                )
            )
            axis.add_patch(
                Rectangle((start + window, 0), 1, len(columns), fill=False, edgecolor=color, linewidth=2.5, zorder=5)
            )
        axis.annotate(
            "",
            xy=(start - 0.4, len(columns) / 2),
            xytext=(x.shape[1] + 0.4, len(columns) / 2),
            arrowprops={"arrowstyle": "-|>", "color": GREY},
        )
        axis.text(start - 1.5, len(columns) / 2 - 0.5, "im2col", ha="center", color=GREY)
        axis.text(start, -0.3, "a column for each window", color=GREY)
        _frame(axis, start + columns.shape[1], len(columns), top=-1)
        return Picture(figure)


def _cell(axis: Any, x: float, y: float, entry: float | None, color: str, faint: bool = False) -> None:
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=color, edgecolor="#b5b5b5", linewidth=0.8, clip_on=False))
    if entry is not None:
        color = "#aaaaaa" if faint else "#333333"
        axis.text(x + 0.5, y + 0.52, number(entry), ha="center", va="center", fontsize=8.5, color=color)


def _frame(axis: Any, width: float, height: float, top: float = 0) -> None:
    axis.set_xlim(-0.1, width + 0.1)
    axis.set_ylim(height + 0.1, top - 0.1)
    axis.set_aspect("equal")
    axis.set_axis_off()
