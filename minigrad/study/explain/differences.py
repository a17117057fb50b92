"""Gradients of one call: backward compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd import grad, gradcheck, no_grad
from minigrad.tensor import Tensor, from_array

EPS = 1e-6  # half the width of a difference: float64 then has some nine digits to trust
ENTRIES = 64  # of each input that are moved, spread evenly: a large weight need not be checked whole


@dataclass(frozen=True)
class Comparison:
    """For one input: entries moved, the largest gradient among them, the largest distance between the two."""

    name: str
    entries: int
    largest: float
    error: float


@dataclass(frozen=True)
class Differences:
    """The comparison of every input, and what `gradcheck` says of the call."""

    comparisons: tuple[Comparison, ...]
    passed: bool

    @property
    def error(self) -> float:
        """The largest distance of all."""
        return max([comparison.error for comparison in self.comparisons])


def measure(call: Callable[[], Tensor], inputs: Mapping[str, Tensor]) -> Differences:
    """Move entries of `inputs` (float64 leaves), which `call` reads, and compare the slopes with backward's.

    The output's elements are weighted by fixed numbers of both signs, so that none can hide behind another.
    """
    output = call()
    weights = np.cos(np.arange(output.numel(), dtype=np.float64) * 2.4 + 1).reshape(output.shape)
    leaves = list(inputs.values())
    gradients = grad(output, leaves, from_array(weights), allow_unused=True)
    comparisons = []
    for (name, leaf), gradient in zip(inputs.items(), gradients, strict=True):
        exact = np.zeros(leaf.shape) if gradient is None else gradient.array
        places = np.unique(np.linspace(0, leaf.numel() - 1, min(ENTRIES, leaf.numel())).astype(int))
        errors = []
        for place in places:
            entry = np.unravel_index(place, leaf.shape)
            errors.append(abs(_slope(call, leaf, entry, weights) - exact[entry]))
        checked = np.abs(exact.ravel()[places])
        comparisons.append(Comparison(name, len(places), float(checked.max()), float(max(errors))))
    small = sum([leaf.numel() for leaf in leaves]) * output.numel() <= 4000  # entries of the Jacobians
    passed = gradcheck(lambda *_: call(), leaves, raise_exception=False, fast_mode=not small)
    return Differences(tuple(comparisons), passed)


def _slope(call: Callable[[], Tensor], leaf: Tensor, entry: tuple[Any, ...], weights: np.ndarray) -> float:
    """How fast the weighted sum of the output changes with one entry."""
    before = leaf.array[entry]
    sums = []
    with no_grad():
        for step in (-EPS, EPS):
            leaf.array[entry] = before + step
            sums.append(float((call().array * weights).sum()))
    leaf.array[entry] = before
    return (sums[1] - sums[0]) / (2 * EPS)
