"""The catalogue: an entry for every operation that minigrad exports, with an independent reference."""

from __future__ import annotations

import numpy as np
from case import Case

_random = np.random.default_rng(20260101)


def normal(*shape: int) -> np.ndarray:
    """Normal values, no two of them nearly equal and none nearly 0: no ties and no kinks by accident."""
    size = int(np.prod(shape))
    values = np.sort(_random.standard_normal(size)) + np.arange(size) * 1e-2 - size * 5e-3
    values += np.where(np.abs(values) < 5e-2, 0.1, 0.0)
    return _random.permutation(values).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    """Values in [0.5, 2]."""
    return _random.uniform(0.5, 2.0, shape)


CASES = [
    Case("add broadcast", (normal(2, 3), normal(3)), np.add),
    Case("exp", (normal(2, 3),), np.exp),
]
