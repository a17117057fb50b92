"""A plot of a finished training run: the curves, the confusion matrix, the most confident mistakes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.tensor import Tensor


def plot_training(
    path: str | os.PathLike[str],
    history: Sequence[dict[str, float]],
    probabilities: Tensor,
    targets: Tensor,
    images: Tensor,
    classes: Sequence[str],
    title: str = "",
) -> None:
    """Plot a finished training run: curves, confusion matrix, and the most confident mistakes.

    Args:
        path: the file to write, .png, .svg or .pdf.
        history: of a Trainer, a dict for each epoch with "loss", "top1" and "validation_top1".
        probabilities: of the classes, for the test set (N, C).
        targets: the labels of the test set (N,).
        images: the pictures of the test set (N, H, W).
        classes: the names of the classes.
        title: the title of the figure.

    Examples:
        >>> from minigrad import study
        >>> history = [{"loss": 2.3, "top1": 0.1, "validation_top1": 0.2}]
        >>> scores, labels = mg.randn(20, 3).softmax(1), mg.randint(0, 3, (20,))
        >>> study.plot_training("run.png", history, scores, labels, mg.rand(20, 8, 8), ["a", "b", "c"])
    """
    from minigrad.study.plots.figure import NotebookFigure

    figure = NotebookFigure(title, 13, 7.6)
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.9, 1])
    ((curves, matrix),) = above.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.05])
    _curves(curves.subplots(2, 1, sharex=True), history)
    _confusion(matrix.subplots(), probabilities.array.argmax(1), targets.array, classes)
    _mistakes(below, probabilities.array, targets.array, images.array, classes)
    figure.write(path)


def _curves(axes: Sequence[Any], history: Sequence[dict[str, float]]) -> None:
    from minigrad.study.plots.figure import BLUE, ORANGE

    epochs = np.arange(1, len(history) + 1)
    loss, accuracy = axes
    loss.plot(epochs, [row["loss"] for row in history], color=BLUE, marker="o", markersize=3)
    loss.set_ylabel("training loss")
    for key, color, name in (("top1", BLUE, "training"), ("validation_top1", ORANGE, "test")):
        values = [100 * row[key] for row in history]
        accuracy.plot(epochs, values, color=color, marker="o", markersize=3, label=name)
    accuracy.set_ylabel("accuracy in %")
    accuracy.set_xlabel("epoch")
    accuracy.legend(frameon=False, loc="lower right")
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)


def _confusion(axis: Any, predicted: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> None:
    from minigrad.study.plots.figure import GREY

    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (targets, predicted), 1)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if share[row, column] > 0.5 else GREY
            axis.text(column, row, count, ha="center", va="center", fontsize=8, color=color)
    axis.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=9)
    axis.set_yticks(range(len(classes)), classes, fontsize=9)
    axis.set_xlabel("named by the network")
    axis.set_ylabel("true class")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _mistakes(figure: Any, probabilities: np.ndarray, targets: np.ndarray, images: np.ndarray, classes: Any) -> None:
    from minigrad.study.plots.figure import GREY

    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != targets)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:10]
    figure.suptitle("the most confident mistakes", fontsize=11, x=0.01, ha="left")
    axes = figure.subplots(1, 10)
    for axis in axes:
        axis.axis("off")
    for axis, index in zip(axes, worst, strict=False):
        axis.imshow(images[index], cmap="gray_r")
        words = f"{classes[predicted[index]]} {confidence[index]:.0%}\nis {classes[targets[index]]}"
        axis.set_title(words, fontsize=8.5, color=GREY)
