"""Arrays to call operations with: no two values nearly equal, none nearly 0, so no ties and kinks by accident."""

from __future__ import annotations

import numpy as np

_random = np.random.default_rng(20260101)


def normal(*shape: int) -> np.ndarray:
    """Values around 0, all different."""
    size = int(np.prod(shape))
    values = np.sort(_random.standard_normal(size)) + (np.arange(size) - size / 2) * 1e-2
    values += np.where(values < 0, -5e-2, 5e-2)
    return _random.permutation(values).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    """Values in [0.5, 2]."""
    return _random.uniform(0.5, 2.0, shape)


def fractions(*shape: int) -> np.ndarray:
    """Values in [0.05, 0.95]."""
    return _random.uniform(0.05, 0.95, shape)


def integers(high: int, *shape: int) -> np.ndarray:
    """int64 values in [0, high)."""
    return _random.integers(0, high, shape)


def booleans(*shape: int) -> np.ndarray:
    return _random.random(shape) < 0.5


def distribution(*shape: int) -> np.ndarray:
    """Values whose sum over dimension 1 is 1."""
    values = _random.uniform(0.1, 1.0, shape)
    return values / values.sum(1, keepdims=True)
