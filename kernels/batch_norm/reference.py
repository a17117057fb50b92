"""Batch normalisation in NumPy, over all axes but the second."""

from __future__ import annotations

import numpy as np

from ..types import Array


def statistics(x: Array, eps: float) -> tuple[Array, Array]:
    """mean (C,) and invstd (C,) = 1 / sqrt(variance + eps) of each channel of x (N, C, ...).

    The variance is the biased one. Sums are taken in float64.

    Ioffe, Szegedy, "Batch normalization" (ICML 2015).
    """
    axes = _all_but_channels(x)
    count = max(1, x.size // max(1, x.shape[1]))  # an empty batch has mean 0 and variance 0
    mean = x.sum(axes, dtype=np.float64) / count
    variance = np.square(x - _per_channel(mean, x)).sum(axes, dtype=np.float64) / count
    return mean.astype(x.dtype), (1 / np.sqrt(variance + eps)).astype(x.dtype)


def track(
    running_mean: Array, running_var: Array, mean: Array, invstd: Array, momentum: float, eps: float, count: int
) -> None:
    """Move running statistics (C,), in place, by `momentum` towards a batch's, which `statistics` found with `eps`.

    The variance moves towards the unbiased one of `count` > 1 elements, var count / (count - 1).
    """
    var = (1 / (invstd * invstd) - eps) * (count / (count - 1))
    running_mean += momentum * (mean - running_mean)
    running_var += momentum * (var - running_var)


def scale(var: Array, eps: float, weight: Array | None) -> Array:
    """weight / sqrt(var + eps), (C,): the factor of x - mean for a running variance `var` and the weight, if any."""
    invstd = 1 / np.sqrt(var + eps)
    return invstd if weight is None else invstd * weight


def normalize(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    invstd: Array,
    relu: bool = False,
) -> Array:
    """y = (x - mean) invstd weight + bias, of x's shape (N, C, ...); the others (C,), weight and bias also None.

    With `relu` what is negative becomes 0.
    """
    y = _affine(x, mean, invstd, weight, bias)
    return np.maximum(y, y.dtype.type(0)) if relu else y


def backward(
    dy: Array, x: Array, weight: Array | None, mean: Array, invstd: Array, y: Array | None = None
) -> tuple[Array, Array | None, Array]:
    """dx of x's shape, dweight (C,) and dbias (C,), from dy and what `statistics` returned.

    With x^ = (x - mean) invstd: dbias = sum dy, dweight = sum dy x^, and, because the mean and the variance
    depend on x too, dx = weight invstd (dy - average of dy - x^ (average of dy x^)).
    Without a weight, dweight is None. If a ReLU followed, `y` is what it returned: dy counts where y is not <= 0.
    """
    axes = _all_but_channels(x)
    if y is not None:
        dy = np.where(y <= 0, dy.dtype.type(0), dy)
    normalised = (x - _per_channel(mean, x)) * _per_channel(invstd, x)
    dbias = dy.sum(axes, dtype=np.float64)
    dweight = (dy * normalised).sum(axes, dtype=np.float64)
    count = max(1, x.size // max(1, x.shape[1]))
    scale = invstd if weight is None else weight * invstd
    centred = dy - _per_channel(dbias / count, x) - normalised * _per_channel(dweight / count, x)
    dx = _per_channel(scale, x) * centred
    dweight = None if weight is None else dweight.astype(x.dtype)
    return dx.astype(x.dtype), dweight, dbias.astype(x.dtype)


def _affine(x, mean, invstd, weight, bias):
    scale = invstd if weight is None else weight * invstd
    y = (x - _per_channel(mean, x)) * _per_channel(scale, x)
    if bias is not None:
        y = y + _per_channel(bias, x)
    return y.astype(x.dtype)


def _all_but_channels(x: np.ndarray) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _per_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """values (C,) in the shape that broadcasts against x."""
    return values.reshape(-1, *[1] * (x.ndim - 2))
