"""Dropout in NumPy."""

from __future__ import annotations

import numpy as np

from ..philox.reference import random_bits
from ..types import Array, Scalar


def forward(x: Array, p: float, seed: Scalar, offset: int) -> Array:
    """Zero each element with probability p and scale the others by 1 / (1 - p).

    Element i of x, counted in C order of its shape, is kept where the i-th Philox uniform (24 bits) is at
    least p. The mask depends on the shape, p, seed and offset alone; the map is linear, its own backward.
    A product and no choice, so that a dropped NaN or infinity still shows, as in PyTorch.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).
    """
    keep = random_bits(x.size, seed, offset) >> np.uint32(8) >= p * 2**24
    scale = 1 / (1 - p) if p < 1 else 0.0
    with np.errstate(invalid="ignore"):
        return x * (keep * x.dtype.type(scale)).reshape(x.shape)
