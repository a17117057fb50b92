"""Batch-norm's geometry: three numbers, normalised, lie on a circle, and their gradient is tangent to it."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

from .style import BLUE, ORANGE, STYLE, Picture, new_figure


def draw_circle() -> Picture:
    """Normalised triples in blue, the gradient that arrives in grey, what batch-norm lets through in orange.

    The page is the plane at right angles to (1, 1, 1).
    """
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    g = np.array([1.0, 0.4]) @ plane
    with mpl.rc_context(STYLE):
        figure, ((axis,),) = new_figure(7.2, 3.7)
        angles = np.linspace(0, 2 * np.pi, 200)
        axis.plot(*np.sqrt(3) * np.stack([np.cos(angles), np.sin(angles)]), color="#bbbbbb", linewidth=1)
        for angle in np.arange(8) * np.pi / 4 + 0.15:
            x_hat = np.sqrt(3) * np.array([np.cos(angle), np.sin(angle)]) @ plane
            dx = g - g.mean() - x_hat * (g * x_hat).mean()
            start = plane @ x_hat
            for vector, color, width in ((g, "#b0b0b0", 1.5), (dx, ORANGE, 2.5)):
                arrow = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
                axis.annotate("", xy=start + plane @ vector, xytext=start, arrowprops=arrow)
            axis.plot(*start, "o", color=BLUE, markersize=7)
        legend = (
            ("normalised numbers", BLUE),
            ("the gradient that arrives", "#909090"),
            ("what is left of it", ORANGE),
        )
        for row, (text, color) in enumerate(legend):
            axis.text(3.4, 0.4 - 0.4 * row, text, color=color, va="center")
        axis.set_xlim(-2.1, 6.4)
        axis.set_ylim(-2.0, 2.4)
        axis.set_aspect("equal")
        axis.set_axis_off()
        return Picture(figure)
