"""A plot of the gradient norm of each parameter, from the first layer to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigrad.nn import Module

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMES = 40  # beyond, only weights are drawn: biases and scales triple the lines and follow their layer
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def plot_gradient_flow(model: Module) -> Figure:
    """Plot the gradients of all parameters, a line for each, the first layer on top.

    A dot is the median of |gradient|, the thick bar holds the middle half of the elements, the thin line 90 %. Zero
    elements are left out, and their share is given; a cross marks a parameter without a gradient other than zero.

    Args:
        model: a model after `loss.backward()`.

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        ValueError: the model has no parameters, or none of them has a gradient.

    Examples:
        >>> from minigrad import study
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> model(mg.randn(16, 4)).sum().backward()
        >>> study.plot_gradient_flow(model).savefig("gradients.png")
    """
    from minigrad.study.plots.figure import BLUE, GREY, ORANGE, NotebookFigure

    named = list(model.named_parameters())
    if not named:
        raise ValueError(f"plot_gradient_flow: {type(model).__name__} has no parameters")
    if all(parameter.grad is None for _, parameter in named):
        raise ValueError("plot_gradient_flow: no parameter has a gradient; call loss.backward() first")
    if len(named) > MOST_NAMES:
        named = [(name, parameter) for name, parameter in named if parameter.ndim > 1] or named
    size = min(9.5, 9.5 * 60 / len(named))  # points: smaller names where there are very many
    figure = NotebookFigure(f"Gradient flow in {type(model).__name__}", 9, 1.5 + len(named) * size / 36)
    axis = figure.subplots()
    absent: list[tuple[int, str]] = []
    for place, (_, parameter) in enumerate(named):
        gradient = None if parameter.grad is None else np.abs(parameter.grad.detach().cpu().array.astype(np.float64))
        live = gradient[np.isfinite(gradient) & (gradient > 0)] if gradient is not None else np.empty(0)
        if not live.size:
            finite = gradient is not None and np.isfinite(gradient).all()
            absent.append((place, "no gradient" if gradient is None else "all zero" if finite else "not finite"))
            continue
        color = BLUE if parameter.ndim > 1 else ORANGE
        low, lower, middle, upper, high = np.quantile(live, QUANTILES)
        axis.plot([low, high], [place, place], color=color, linewidth=1)
        axis.plot([lower, upper], [place, place], color=color, linewidth=0.5 * size, alpha=0.45, solid_capstyle="butt")
        axis.plot(middle, place, color=color, marker="o", markersize=0.5 * size)
        zeros = 1 - live.size / gradient.size if gradient is not None else 0.0
        if zeros > 0.005:
            words = f"{zeros:.0%} zeros"
            axis.annotate(words, (high, place), (5, 0), textcoords="offset points", va="center", fontsize=8, color=GREY)
    axis.set_xscale("log")
    for place, word in absent:
        where = axis.get_yaxis_transform()
        axis.plot(0.01, place, transform=where, color="black", marker="x", markersize=0.7 * size, clip_on=False)
        axis.text(0.03, place, word, transform=where, va="center", fontsize=size - 1, color=GREY)
    axis.set_yticks(range(len(named)), [name for name, _ in named], fontsize=size)
    axis.set_ylim(len(named) - 0.4, -0.6)
    axis.set_xlabel("|gradient| of an element: median, middle half, 90%")
    axis.grid(axis="x", alpha=0.25)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    for color, word, many in ((BLUE, "weights", True), (ORANGE, "biases, scales", False)):
        if any((parameter.ndim > 1) is many for _, parameter in named):
            axis.plot([], [], color=color, marker="o", label=word)
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9.5)
    return figure
