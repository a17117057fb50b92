"""Attribution: which pixels a class score depends on, by saliency maps and Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd import grad
from minigrad.nn import Conv2d, Module
from minigrad.study.model_state import chosen, forward_hooks, pictures, restored
from minigrad.tensor import Tensor, from_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PICTURES = 6  # side by side on a slide


def saliency(model: Module, x: Tensor, target: int | Sequence[int] | Tensor | None = None) -> Figure:
    """Plot how much each pixel of some pictures changes the score of a class.

    A map's value is |d score / d pixel|, the largest over the channels; the score is the logit. The model runs in
    evaluation mode and is restored afterwards.

    Args:
        model: a classifier of pictures, with outputs (N, classes).
        x: 1 to 8 pictures (N, C, H, W), or one (C, H, W), as the model takes them.
        target: the class for all pictures, or one class for each; None means the class that the model predicts.

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        ValueError: `x` or `target` does not fit, or the model returns something else.

    Source: Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks" (2014).

    Examples:
        >>> from minigrad import study, vision
        >>> study.saliency(vision.models.lenet5(), mg.randn(1, 1, 28, 28)).savefig("saliency.png")
    """
    maps, batch, classes = saliency_maps(model, x, target)
    return _draw("Saliency: which pixels move the score", batch, maps, classes, overlay=False)


def grad_cam(
    model: Module,
    x: Tensor,
    target: int | Sequence[int] | Tensor | None = None,
    layer: str | Module | None = None,
) -> Figure:
    """Plot the regions of some pictures that raise the score of a class.

    The maps A_c of one layer are weighted by the mean gradient of the class's logit: relu(sum over c of
    mean(d score / d A_c) A_c), drawn over the picture. The model runs in evaluation mode and is restored afterwards.

    Args:
        model: a classifier of pictures, with outputs (N, classes).
        x: 1 to 8 pictures (N, C, H, W), or one (C, H, W), as the model takes them.
        target: the class for all pictures, or one class for each; None means the class that the model predicts.
        layer: the layer whose output (N, C, h, w) is used, as its path or the module; None means the last convolution.

    Returns:
        A Matplotlib figure: `savefig` writes it, a notebook shows it.

    Raises:
        ValueError: `x`, `target` or `layer` does not fit, or the model has no convolution.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization" (2017).

    Examples:
        >>> from minigrad import study, vision
        >>> study.grad_cam(vision.models.lenet5(), mg.randn(1, 1, 28, 28)).savefig("cam.png")
    """
    maps, batch, classes, name = cam_maps(model, x, target, layer)
    return _draw(f"Grad-CAM at {name}: which regions speak for the class", batch, maps, classes, overlay=True)


def saliency_maps(model: Module, x: Tensor, target: Any) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The maps (N, H, W), the pictures (N, C, H, W) and their classes."""
    batch = pictures("saliency", x, MOST_PICTURES).requires_grad_()
    with restored(model, training=False):
        score, classes = _score("saliency", model(batch), target)
        (gradient,) = grad(score, batch)
    return np.abs(_array(gradient)).max(1), _array(batch), classes


def cam_maps(model: Module, x: Tensor, target: Any, layer: Any) -> tuple[np.ndarray, np.ndarray, list[int], str]:
    """The maps (N, h, w) of the layer's size, the pictures, their classes and the layer's path."""
    batch = pictures("grad_cam", x, MOST_PICTURES).requires_grad_()
    if layer is None:
        convolutions = [module for module in model.modules() if isinstance(module, Conv2d)]
        if not convolutions:
            raise ValueError("grad_cam: the model has no Conv2d; name a layer that puts out maps (N, C, H, W)")
        layer = convolutions[-1]
    layers = chosen("grad_cam", model, [layer])
    (name,) = layers
    seen: list[Any] = []

    def see(name: str, module: Module, args: tuple[Any, ...], output: Any) -> Any:
        seen.append(output)
        return output.clone() if isinstance(output, Tensor) else None  # what follows may write into it

    with restored(model, training=False):
        with forward_hooks(layers, see):
            logits = model(batch)
        if not seen:
            raise ValueError(f"grad_cam: the model does not use its layer {name!r}")
        if not isinstance(seen[-1], Tensor) or seen[-1].ndim != 4:
            shape = list(seen[-1].shape) if isinstance(seen[-1], Tensor) else type(seen[-1]).__name__
            raise ValueError(f"grad_cam: layer {name!r} must put out maps (N, C, H, W), but puts out {shape}")
        score, classes = _score("grad_cam", logits, target)
        (gradient,) = grad(score, seen[-1])
    weights = _array(gradient).mean((2, 3), keepdims=True)
    return np.maximum((weights * _array(seen[-1])).sum(1), 0), _array(batch), classes, name


def _score(operation: str, logits: Any, target: Any) -> tuple[Tensor, list[int]]:
    """The sum of the pictures' logits of their classes (each depends on its own picture only), and the classes."""
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"{operation}: the model must return logits (N, classes), but returned {got}")
    count, classes = logits.shape
    if target is None:
        named = logits.argmax(1).tolist()
    elif isinstance(target, Tensor):
        named = [int(label) for label in target.reshape(-1).tolist()]
    else:
        named = [target] * count if isinstance(target, int | np.integer) else [int(label) for label in target]
    if len(named) == 1:
        named *= count
    if len(named) != count or not all(0 <= label < classes for label in named):
        wanted = f"a class from 0 to {classes - 1} for each of {count} pictures"
        raise ValueError(f"{operation}: target must be {wanted}, got {target}")
    picked = np.zeros(logits.shape, bool)
    picked[np.arange(count), named] = True
    mask = from_array(picked).to(logits.device)
    return logits.masked_select(mask).sum(), named


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().array


def _draw(title: str, batch: np.ndarray, maps: np.ndarray, classes: list[int], overlay: bool) -> Figure:
    from minigrad.study.plots.figure import NotebookFigure, hide_axis, show_image

    count = len(batch)
    figure = NotebookFigure(title, max(2.3 * count, 6.5), 5.2 if count > 1 else 3.7)
    axes = figure.subplots(2, count, squeeze=False) if count > 1 else figure.subplots(1, 2).reshape(2, 1)
    if count == 1:
        axes[1, 0].set_title("Grad-CAM" if overlay else "saliency", fontsize=11)
    height, width = batch.shape[2:]
    for (above, below), picture, heat, label in zip(axes.T, batch, maps, classes, strict=True):
        show_image(above, picture)
        above.set_title(f"class {label}", fontsize=11)
        if overlay:
            show_image(below, picture.mean(0, keepdims=True))
        # Each map on its own scale, smoothed to the picture's size; what is dark said little.
        below.imshow(
            heat / (heat.max() or 1),
            cmap="inferno",
            vmin=0,
            vmax=1,
            alpha=0.6 if overlay else 1,
            interpolation="bilinear" if overlay else "nearest",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )
        hide_axis(above)
        hide_axis(below)
    # Beside its picture, and not in a strip of its own, which would push one row out of line with the other.
    scale = figure.colorbar(axes[-1, -1].images[-1], cax=axes[-1, -1].inset_axes((1.04, 0, 0.06, 1)))
    scale.set_ticks([0, 1], labels=["none", "most"])
    scale.outline.set_visible(False)
    return figure
