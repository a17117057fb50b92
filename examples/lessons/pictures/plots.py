"""Curves, points, bars and heat maps, each in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from .style import BLUE, GREY, SERIES, STYLE, Picture, new_figure


def curves(
    x: Any,
    series: Mapping[str, Any],
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    log: str = "",
    points: bool = False,
    dots: tuple[Any, Any] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Picture:
    """Lines over `x`, each named in the legend; `log` names the logarithmic axes ("x", "y" or "xy").

    `x` may be None: each line counts its points from 1. `dots` are (x, y) to be shown beside the lines.
    """
    with mpl.rc_context(STYLE):
        figure, ((axis,),) = new_figure(6.2, 3.1)
        for (name, y), color in zip(series.items(), SERIES, strict=False):
            along = np.arange(1, len(y) + 1) if x is None else x
            axis.plot(along, y, label=name, color=color, marker="o" if points else "", markersize=4)
        if dots is not None:
            axis.plot(*dots, "o", color="#333333", markersize=6)
        _label(axis, xlabel, ylabel, title)
        if "x" in log:
            axis.set_xscale("log")
        if "y" in log:
            axis.set_yscale("log")
        if ylim:
            axis.set_ylim(*ylim)
        axis.grid(alpha=0.25)
        if len(series) > 1:
            axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return Picture(figure)


def scatter(panels: Mapping[str, tuple[Any, Any]], xlabel: str = "", ylabel: str = "") -> Picture:
    """Points (x, y) in one panel a name, with the line on which both are equal."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(3.3 * len(panels), 3.1, 1, len(panels), sharex=True, sharey=True)
        for axis, (name, (x, y)) in zip(axes[0], panels.items(), strict=True):
            ends = [min(np.min(x), np.min(y)), max(np.max(x), np.max(y))]
            axis.plot(ends, ends, color=GREY, linewidth=1)
            axis.plot(np.ravel(x), np.ravel(y), "o", color=BLUE, markersize=5, alpha=0.8)
            _label(axis, xlabel, ylabel if axis is axes[0][0] else "", name)
            axis.grid(alpha=0.25)
        return Picture(figure)


def bars(
    names: Sequence[Any], heights: Sequence[float], xlabel: str = "", ylabel: str = "", title: str = ""
) -> Picture:
    """A bar for each name."""
    with mpl.rc_context(STYLE):
        figure, ((axis,),) = new_figure(6.2, 2.6)
        axis.bar([str(name) for name in names], heights, color=BLUE, width=0.75)
        _label(axis, xlabel, ylabel, title)
        return Picture(figure)


def heatmaps(panels: Mapping[str, Any], numbers: bool = True, size: float = 2.6, shared: bool = False) -> Picture:
    """Matrices side by side: blue above zero, orange below, scaled to the largest entry of each, or of all."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(size * len(panels), size, 1, len(panels))
        largest = max(np.abs(matrix).max() for matrix in panels.values())
        for axis, (name, matrix) in zip(axes[0], panels.items(), strict=True):
            _heatmap(axis, np.asarray(matrix), largest if shared else np.abs(matrix).max(), numbers)
            axis.set_title(name)
        return Picture(figure)


def _heatmap(axis: Any, matrix: np.ndarray, limit: float, numbers: bool) -> None:
    palette = mpl.colors.LinearSegmentedColormap.from_list("signed", ["#d55e00", "#ffffff", "#0072b2"])
    axis.imshow(matrix, cmap=palette, vmin=-limit, vmax=limit, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(True)
    if numbers:
        for (row, column), entry in np.ndenumerate(matrix):
            color = "white" if abs(entry) > 0.6 * limit else "#333333"
            axis.text(column, row, f"{entry:g}", ha="center", va="center", fontsize=8.5, color=color)


def _label(axis: Any, xlabel: str, ylabel: str, title: str) -> None:
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.set_title(title)


def histograms(panels: Mapping[str, Mapping[str, Any]]) -> Picture:
    """How values are spread, in one panel a name, each of several samples."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(4.1 * len(panels), 2.5, 1, len(panels))
        for axis, (title, samples) in zip(axes[0], panels.items(), strict=True):
            ends = [min(np.min(s) for s in samples.values()), max(np.max(s) for s in samples.values())]
            edges = np.linspace(*ends, 70)
            for (name, sample), color in zip(samples.items(), SERIES, strict=False):
                axis.hist(np.ravel(sample), edges, color=color, alpha=0.55, label=name, histtype="stepfilled")
            axis.set_title(title)
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)
        axes[0][0].legend()
        return Picture(figure)
