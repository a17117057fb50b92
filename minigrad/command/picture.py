"""The command line's two pictures: how often a class is taken for another, and what a network says of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

MOST_NUMBERS, MOST_NAMES = 20, 100  # classes up to which counts, and names, are large enough to be read


def draw_confusion(path: Path, counts: np.ndarray, classes: Sequence[str], title: str) -> None:
    """Write the picture of a confusion matrix, (C, C) counts of class i taken for class j."""
    from minigrad.study.plots.figure import GREY, NotebookFigure

    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    few = len(classes) <= MOST_NUMBERS
    side = 2.6 + 0.45 * len(classes) if few else 11.0
    figure = NotebookFigure(title, side + 0.8, side)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if few:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[row, column] > 0.5 else GREY
                axis.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=color)
    named = range(len(classes)) if len(classes) <= MOST_NAMES else ()
    names = [classes[place] for place in named]
    axis.set_xticks(named, names, rotation=40 if few else 90, ha="right" if few else "center")
    axis.set_yticks(named, names)
    axis.tick_params(length=0, labelsize=9 if few else 5)
    axis.set_xlabel("named by the network")
    axis.set_ylabel("true class")
    axis.spines[:].set_visible(False)
    figure.write(path)


def draw_predictions(
    path: Path,
    images: Sequence[Any],
    guesses: Sequence[Sequence[tuple[str, float]]],
    names: Sequence[str],
    title: str,
) -> None:
    """Write a picture with a row for each Pillow image: the image, and its classes with their probabilities."""
    from minigrad.study.plots.figure import BLUE, GREY, NotebookFigure, hide_axis

    figure = NotebookFigure(title, 7.5, 2.4 * len(images) + 0.4)
    rows = figure.subplots(len(images), 2, squeeze=False, width_ratios=[1, 1.9])
    for (shown, bars), image, guess, name in zip(rows, images, guesses, names, strict=True):
        shown.imshow(np.asarray(image), cmap="gray" if image.mode == "L" else None)
        shown.set_title(name, fontsize=9, color=GREY)
        hide_axis(shown)
        classes, shares = zip(*guess, strict=True)
        places = np.arange(len(guess))
        bars.barh(places, shares, color=BLUE, height=0.62)
        for place, share in zip(places, shares, strict=True):
            bars.text(share + 0.015, place, f"{share:.1%}", va="center", fontsize=9, color=GREY)
        bars.set_yticks(places, classes, fontsize=9)
        bars.invert_yaxis()
        bars.set_xlim(0, 1.15)
        bars.set_xticks([])
        bars.tick_params(length=0)
        bars.spines[["top", "right", "bottom"]].set_visible(False)
    figure.write(path)
