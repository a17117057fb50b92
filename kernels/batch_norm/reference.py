"""Batch normalisation in NumPy, over all axes but the second."""

from __future__ import annotations

import numpy as np


def forward(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y = (x - mean) invstd weight + bias, with the mean and the biased variance of each channel of x.

    x (N, C, ...); weight and bias (C,) or None. Returns y of x's shape, mean (C,) and invstd (C,),
    invstd = 1 / sqrt(variance + eps). Sums are taken in float64.

    Ioffe, Szegedy, "Batch normalization" (ICML 2015).
    """
    axes = _all_but_channels(x)
    count = max(1, x.size // max(1, x.shape[1]))  # an empty batch has mean 0 and variance 0
    mean = x.sum(axes, dtype=np.float64) / count
    variance = np.square(x - _per_channel(mean, x)).sum(axes, dtype=np.float64) / count
    invstd = 1 / np.sqrt(variance + eps)
    y = _affine(x, mean, invstd, weight, bias)
    return y, mean.astype(x.dtype), invstd.astype(x.dtype)


def inference(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
) -> np.ndarray:
    """y = (x - mean) / sqrt(var + eps) weight + bias, with statistics (C,) kept from training."""
    return _affine(x, mean, 1 / np.sqrt(var.astype(np.float64) + eps), weight, bias)


def backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray | None, mean: np.ndarray, invstd: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """dx of x's shape, dweight (C,) and dbias (C,), from dy and what `forward` returned.

    With x^ = (x - mean) invstd: dbias = sum dy, dweight = sum dy x^, and, because the mean and the variance
    depend on x too, dx = weight invstd (dy - average of dy - x^ (average of dy x^)).
    Without a weight, dweight is None.
    """
    axes = _all_but_channels(x)
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
