"""The Matplotlib figure that all plots are drawn on.

It is not one of pyplot's: it needs no display, and nobody has to close it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minigrad.serialize.files import atomic_write

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#5a5a5a"  # Okabe and Ito's colours, told apart by everyone


class NotebookFigure(Figure):
    """A Figure in white that notebooks show; `savefig` writes it as .png, .svg or .pdf."""

    def __init__(self, title: str, width: float, height: float):
        super().__init__(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(self)
        self.suptitle(title, fontsize=13, x=0.01, ha="left", weight="bold")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the figure to a file, whole or not at all; its suffix says the format."""
        with atomic_write(path) as file:
            self.savefig(file, format=Path(path).suffix[1:] or "png")

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def show_image(axis: Any, picture: np.ndarray) -> None:
    """A picture (C, H, W), whatever its normalisation: from its own smallest value to its largest."""
    low, high = picture.min(), picture.max()
    shown = (picture - low) / ((high - low) or 1)
    if len(shown) == 3:
        axis.imshow(shown.transpose(1, 2, 0))
    else:
        axis.imshow(shown.mean(0), cmap="gray", vmin=0, vmax=1)


def hide_axis(axis: Any) -> None:
    """Remove ticks and spines from an axis."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
