"""Local response normalisation in NumPy."""

from __future__ import annotations

import numpy as np

from ..types import Array


def forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """Divide each element of x (N, C, ...) by a power of the energy in `size` channels around its own.

    y = x scale^-beta with scale = k + alpha / size (sum of x^2 over the window); a window reaches size // 2
    channels down and (size - 1) // 2 up, and ends where the channels end. Returns y and scale, of x's shape.

    Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks"
    (NeurIPS 2012), section 3.3; alpha is divided by size, as in PyTorch.
    """
    scale = k + alpha / size * _window_sum(x * x, size // 2, (size - 1) // 2)
    scale = scale.astype(x.dtype)
    with np.errstate(invalid="ignore"):
        return x * scale**-beta, scale


def backward(dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """dx = dy scale^-beta - 2 alpha beta / size x (sum of dy x scale^(-beta-1) over the windows that hold x).

    Those are the windows of the channels from (size - 1) // 2 down to size // 2 up: the forward's, mirrored.
    """
    with np.errstate(invalid="ignore"):
        power = scale**-beta
        through_scale = _window_sum(dy * x * power / scale, (size - 1) // 2, size // 2)
        return dy * power - x.dtype.type(2 * alpha * beta / size) * x * through_scale


def _window_sum(values: np.ndarray, down: int, up: int) -> np.ndarray:
    """At each channel c, the sum over the channels c - down ... c + up."""
    total = np.zeros_like(values)
    channels = values.shape[1]
    for c in range(channels):
        total[:, c] = values[:, max(0, c - down) : c + up + 1].sum(axis=1)
    return total
