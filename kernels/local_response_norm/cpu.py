"""Local response normalisation with Numba: strips of positions, so that a window's channels stay in cache."""

from __future__ import annotations

import numpy as np
from numba import prange

from ..cpu.jit import REASSOCIATE, jit
from ..geometry import planes
from ..types import Array

# Positions of a strip: vectors long enough, and 100 channels of it fit in the second-level cache.
_STRIP = 256


def forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x scale^-beta and scale, of x's shape (N, C, ...); see reference.py."""
    x = np.ascontiguousarray(x)
    y, scale = np.empty_like(x), np.empty_like(x)
    scalar = x.dtype.type
    _forward(planes(x), size, scalar(alpha / size), scalar(beta), scalar(k), planes(y), planes(scale))
    return y, scale


def backward(dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """dx of x's shape (N, C, ...); see reference.py."""
    dy, x, scale = (np.ascontiguousarray(array) for array in (dy, x, scale))
    dx = np.empty_like(x)
    scalar = x.dtype.type
    factor = scalar(2 * alpha * beta / size)
    _backward(planes(dy), planes(x), planes(scale), size, factor, scalar(beta), planes(dx))
    return dx


@jit
def _negative_power(base, beta):
    """base^-beta; AlexNet's beta of 3/4 by two square roots, which the processor does in vectors."""
    if beta == 0.75:
        root = np.sqrt(base)
        return 1 / (root * np.sqrt(root))
    return base**-beta


@jit(parallel=True, fastmath=REASSOCIATE)
def _forward(x, size, alpha, beta, k, y, scale):
    """x, y and scale (N, C, L)."""
    n, channels, length = x.shape
    strips = (length + _STRIP - 1) // _STRIP
    for task in prange(n * strips):
        image = task // strips
        first = task % strips * _STRIP
        last = min(length, first + _STRIP)
        for c in range(channels):
            energy = scale[image, c, first:last]
            energy[:] = 0
            for near in range(max(0, c - size // 2), min(channels, c + (size - 1) // 2 + 1)):
                source = x[image, near, first:last]
                for i in range(last - first):
                    energy[i] += source[i] * source[i]
            source = x[image, c, first:last]
            target = y[image, c, first:last]
            for i in range(last - first):
                energy[i] = k + alpha * energy[i]
            for i in range(last - first):
                target[i] = source[i] * _negative_power(energy[i], beta)


@jit(parallel=True, fastmath=REASSOCIATE)
def _backward(dy, x, scale, size, factor, beta, dx):
    """dy, x, scale and dx (N, C, L)."""
    n, channels, length = x.shape
    strips = (length + _STRIP - 1) // _STRIP
    for task in prange(n * strips):
        image = task // strips
        first = task % strips * _STRIP
        last = min(length, first + _STRIP)
        width = last - first
        # How the loss changes with each scale, up to the constant factor.
        slope = np.empty((channels, width), x.dtype)
        for c in range(channels):
            grad, source = dy[image, c, first:last], x[image, c, first:last]
            base, result = scale[image, c, first:last], dx[image, c, first:last]
            for i in range(width):
                result[i] = grad[i] * _negative_power(base[i], beta)
            for i in range(width):
                slope[c, i] = source[i] * result[i] / base[i]
        for c in range(channels):
            through = np.zeros(width, x.dtype)
            for near in range(max(0, c - (size - 1) // 2), min(channels, c + size // 2 + 1)):
                for i in range(width):
                    through[i] += slope[near, i]
            source, result = x[image, c, first:last], dx[image, c, first:last]
            for i in range(width):
                result[i] -= factor * source[i] * through[i]
