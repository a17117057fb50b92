"""Plots of layers: filters, feature maps, and histograms of the activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.nn import Conv2d, Dropout, Dropout2d, Flatten, Identity, Module
from minigrad.study.model_state import chosen, forward_hooks, leaves, pictures, restored
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FILTERS = 96  # AlexNet's first layer, the best known picture of filters
MOST_CHANNELS = 16  # of filters over many channels: a square that can still be seen
MAPS_IN_A_ROW = 8
MOST_ROWS = 24  # layers that are readable below each other
PLAIN = (Dropout, Dropout2d, Flatten, Identity)  # layers that put out what they got, or nearly


def plot_filters(model_or_weight: Module | Tensor) -> Figure:
    """Plot the filters of a convolution as small pictures.

    Filters over three channels are drawn in colour (grey is 0), over one in blue and red (white is 0), over more as a
    table of outputs and inputs.

    Args:
        model_or_weight: a model, of which the first convolution is shown, or a weight (out, in, height, width).

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        TypeError: it is neither.
        ValueError: the model has no convolution, or the weight is of another shape.

    Examples:
        >>> from minigrad import study
        >>> study.plot_filters(nn.Conv2d(3, 16, 5)).savefig("filters.png")
    """
    from minigrad.study.plots.figure import GREY, NotebookFigure, hide_axis

    name = "filters"
    weight: Any = model_or_weight
    if isinstance(model_or_weight, Module):
        found = [(path, layer) for path, layer in model_or_weight.named_modules() if isinstance(layer, Conv2d)]
        if not found:
            raise ValueError(f"plot_filters: {type(model_or_weight).__name__} has no Conv2d; give a weight instead")
        name, weight = found[0][0] or "Conv2d", found[0][1].weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"plot_filters: expected a Module or a Tensor, got {type(weight).__name__}")
    if weight.ndim != 4 or weight.numel() == 0:
        raise ValueError(f"plot_filters: a weight must be (out, in, height, width), got shape {list(weight.shape)}")
    filters = weight.detach().cpu().array.astype(np.float64)
    largest = np.abs(filters).max() or 1.0
    count, channels = filters.shape[:2]
    if channels in (1, 3):
        tiles = filters[:MOST_FILTERS]
        columns = int(np.ceil(np.sqrt(len(tiles) * 1.6)))  # about a slide's proportions
        note = "" if len(tiles) == count else f", the first {len(tiles)}"
    else:
        tiles = filters[:MOST_CHANNELS, :MOST_CHANNELS].swapaxes(0, 1).reshape(-1, 1, *filters.shape[2:])
        columns = min(count, MOST_CHANNELS)
        cut = max(count, channels) > MOST_CHANNELS
        note = f", {f'the first {MOST_CHANNELS} of ' if cut else ''}outputs across, inputs down"
    mosaic = _mosaic(tiles, columns)
    height, width = mosaic.shape[:2]
    shape = " × ".join(map(str, weight.shape))
    tall = min(6.5 * height / width, 7.5)
    figure = NotebookFigure(f"{name}: {shape}{note}", max(tall * width / height + 1.2, 5.5), tall + 0.7)
    axis = figure.subplots()
    if tiles.shape[1] == 3:
        axis.imshow(np.nan_to_num(mosaic / (2 * largest) + 0.5, nan=1.0))
        axis.set_xlabel(f"grey is 0, full colour ±{largest:.2g}", color=GREY)
    else:
        image = axis.imshow(mosaic[..., 0], cmap="RdBu_r", vmin=-largest, vmax=largest)
        bar = figure.colorbar(image, ax=axis, fraction=0.04, pad=0.02)
        bar.outline.set_visible(False)
    hide_axis(axis)
    return figure


def plot_feature_maps(model: Module, x: Tensor, layers: Sequence[str | Module] | None = None) -> Figure:
    """Plot the feature maps that the layers of a model compute from one picture.

    Shown are the channels that vary most, each on its own scale. The model runs in evaluation mode and is restored
    afterwards.

    Args:
        model: a model of pictures.
        x: a picture (C, H, W) or (1, C, H, W), as the model takes it.
        layers: paths or modules whose output is (1, C, H, W), a row for each; None means the last layer of each size.

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        ValueError: `x` is not one picture, a layer is not in the model, or none has feature maps.

    Examples:
        >>> from minigrad import study, vision
        >>> study.plot_feature_maps(vision.models.lenet5(), mg.randn(1, 28, 28)).savefig("maps.png")
    """
    from minigrad.study.plots.figure import GREY, NotebookFigure, hide_axis, show_image

    batch = pictures("plot_feature_maps", x, most=1)
    known = leaves(model) if layers is None else chosen("plot_feature_maps", model, layers)
    maps: dict[str, np.ndarray] = {}

    def see(name: str, layer: Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            maps.pop(name, None)  # a layer that is called again moves to the end
            maps[name] = output.detach().cpu().array[0].copy()

    with restored(model, training=False), forward_hooks(known, see):
        model(batch)
    if layers is None:
        last = {found.shape[1:]: name for name, found in maps.items()}  # the later of a size replaces the earlier
        maps = {name: maps[name] for name in last.values()}
    elif missing := [name for name in known if name not in maps]:
        raise ValueError(f"plot_feature_maps: layer {missing[0]!r} puts out no maps (1, C, H, W)")
    if not maps:
        raise ValueError("plot_feature_maps: no layer of the model puts out maps (1, C, H, W)")
    figure = NotebookFigure("Feature maps: the channels that vary most", 11, 0.6 + 1.35 * len(maps))
    axes = figure.subplots(len(maps), MAPS_IN_A_ROW + 1, squeeze=False)
    for axis in axes.ravel():
        hide_axis(axis)
        axis.set_visible(False)
    axes[0, 0].set_visible(True)
    show_image(axes[0, 0], batch.cpu().array[0])
    axes[0, 0].set_title("input", fontsize=9, color=GREY)
    for row, (name, found) in zip(axes, maps.items(), strict=True):
        strongest = np.argsort(-found.std((1, 2)), kind="stable")[:MAPS_IN_A_ROW]
        for axis, channel in zip(row[1:], strongest, strict=False):
            axis.set_visible(True)
            axis.imshow(found[channel], cmap="viridis")
            axis.set_title(str(channel), fontsize=8, color=GREY, pad=2)
        row[1].set_ylabel(
            f"{name}\n{' × '.join(map(str, found.shape))}", rotation=0, ha="right", va="center", fontsize=9
        )
    return figure


def plot_activations(model: Module, x: Tensor, layers: Sequence[str | Module] | None = None) -> Figure:
    """Plot how the values of each layer are distributed, and how their scale changes with depth.

    On the left are histograms in units of each layer's root mean square, without zeros; on the right the standard
    deviations. The model runs in the mode that it is in, and is restored afterwards.

    Args:
        model: a model.
        x: a batch as the model takes it.
        layers: paths or modules; None means all layers that compute, or if these are too many, those with weights.

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        ValueError: a layer is not in the model, or none has a floating-point output.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010),
    figure 2.

    Examples:
        >>> from minigrad import study, vision
        >>> study.plot_activations(vision.models.lenet5(), mg.randn(8, 1, 28, 28)).savefig("activations.png")
    """
    known = _computing(model) if layers is None else chosen("plot_activations", model, layers)
    rows: list[tuple[str, np.ndarray, float, float]] = []  # label, counts, deviation, share of zeros

    def see(name: str, layer: Module, args: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or not output.is_floating_point() or output.numel() < 2:
            return
        values = output.detach().cpu().array.ravel().astype(np.float64)
        values = values[np.isfinite(values)]
        deviation, zeros = float(values.std()), float(np.mean(values == 0))
        edges = np.linspace(-UNITS, UNITS, UNITS * 16 + 1) * (np.sqrt(np.square(values).mean()) or 1)
        rows.append((f"{name}  {type(layer).__name__}", np.histogram(values[values != 0], edges)[0], deviation, zeros))

    with restored(model), forward_hooks(known, see):
        model(x)
    if not rows:
        raise ValueError("plot_activations: none of the layers puts out floating-point values")
    if layers is None and len(rows) > MOST_ROWS:
        rows = [rows[int(place)] for place in np.linspace(0, len(rows) - 1, MOST_ROWS)]
    mode = "training" if model.training else "evaluation"
    return _ridges(rows, f"Activations of {type(model).__name__} in {mode} mode")


UNITS = 4  # root mean squares to each side: 99.99% of a normal distribution


def _computing(model: Module) -> dict[str, Module]:
    layers = {name: layer for name, layer in leaves(model).items() if not isinstance(layer, PLAIN)}
    if len(layers) > MOST_ROWS:
        weighed = {name: layer for name, layer in layers.items() if any(p.ndim > 1 for p in layer.parameters())}
        layers = weighed or layers
    return layers


def _ridges(rows: list[tuple[str, np.ndarray, float, float]], title: str) -> Figure:
    from minigrad.study.plots.figure import BLUE, GREY, ORANGE, NotebookFigure

    figure = NotebookFigure(title, 10, 1.4 + 0.36 * len(rows))
    shapes, scales = figure.subplots(1, 2, width_ratios=[1.7, 1], sharey=True)
    middles = (np.arange(UNITS * 16) + 0.5) / 8 - UNITS
    for place, (_, counts, _, zeros) in enumerate(rows):
        tall = place - 0.9 * counts / max(counts.max(), 1)  # upwards: the axis is turned, so that depth goes down
        shapes.fill_between(middles, place, tall, step="mid", color=BLUE, alpha=0.75, linewidth=0)
        shapes.axhline(place, color=GREY, linewidth=0.5)
        if zeros > 0.005:
            shapes.text(UNITS, place - 0.12, f"{zeros:.0%} zeros", ha="right", va="bottom", fontsize=8.5, color=GREY)
    deviations = [deviation for _, _, deviation, _ in rows]
    scales.plot(deviations, range(len(rows)), color=ORANGE, marker="o", markersize=5, linewidth=1.2)
    if all(deviations):
        scales.set_xscale("log")
        low, high = min(deviations), max(deviations)
        scales.set_xlim(min(low / 2, 0.1), max(high * 2, 10))  # two decades at least: what changes little looks so
    shapes.set_yticks(range(len(rows)), [label for label, *_ in rows], fontsize=9.5)
    shapes.set_ylim(len(rows) - 0.6, -1.1)
    shapes.set_xlim(-UNITS, UNITS)
    shapes.set_xlabel("value / root mean square of the layer")
    scales.set_xlabel("standard deviation")
    scales.grid(axis="x", alpha=0.25)
    for axis in (shapes, scales):
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure


def _mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (N, C, h, w) in rows of `columns` as one picture (H, W, C), NaN between them."""
    count, channels, height, width = tiles.shape
    rows = -(-count // columns)
    mosaic = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.nan)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        mosaic[top : top + height, left : left + width] = tile.transpose(1, 2, 0)
    return mosaic
