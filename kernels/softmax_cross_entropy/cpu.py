"""Cross-entropy of softmax(logits) with Numba: a row is read from memory once."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from ..cpu.jit import jit, team
from ..types import Array

NANOSECONDS = 5  # a logit takes one thread: an exponential


def forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """losses (N,) and log_probabilities (N, C) from logits (N, C) and target int64 (N,); see reference.py."""
    n, classes = logits.shape
    losses = np.empty(n, logits.dtype)
    log_probabilities = np.empty((n, classes), logits.dtype)
    team(_forward, NANOSECONDS * logits.size)(
        np.ascontiguousarray(logits),
        np.ascontiguousarray(target),
        _weights(weight, log_probabilities),
        ignore_index,
        label_smoothing,
        losses,
        log_probabilities,
    )
    return losses, log_probabilities


def backward(
    dlosses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """dlogits (N, C) from dlosses (N,); see reference.py."""
    dlogits = np.empty_like(log_probabilities)
    team(_backward, NANOSECONDS * dlogits.size)(
        np.ascontiguousarray(dlosses),
        log_probabilities,
        np.ascontiguousarray(target),
        _weights(weight, log_probabilities),
        ignore_index,
        label_smoothing,
        dlogits,
    )
    return dlogits


def _weights(weight: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    if weight is None:
        return np.ones(like.shape[1], like.dtype)
    return np.ascontiguousarray(weight)


@jit(parallel=True)
def _forward(logits, target, weight, ignore_index, label_smoothing, losses, log_probabilities):
    n, classes = logits.shape
    for row in prange(n):
        x = logits[row]
        log_p = log_probabilities[row]
        largest = logits.dtype.type(-np.inf)
        for c in range(classes):
            # A NaN shows in the sum below, so that it need not win here.
            largest = x[c] if x[c] > largest else largest
        total = 0.0
        for c in range(classes):
            log_p[c] = x[c] - largest
            total += math.exp(log_p[c])
        log_total = logits.dtype.type(math.log(total))
        for c in range(classes):
            log_p[c] -= log_total
        hit = target[row]
        if hit == ignore_index:
            losses[row] = 0
            continue
        loss = -(1 - label_smoothing) * weight[hit] * log_p[hit]
        if label_smoothing > 0:
            smooth = 0.0
            for c in range(classes):
                smooth += weight[c] * log_p[c]
            loss -= label_smoothing / classes * smooth
        losses[row] = loss


@jit(parallel=True)
def _backward(dlosses, log_probabilities, target, weight, ignore_index, label_smoothing, dlogits):
    n, classes = log_probabilities.shape
    smooth = label_smoothing / classes
    total_weight = 0.0
    for c in range(classes):
        total_weight += weight[c]
    for row in prange(n):
        dx = dlogits[row]
        hit = target[row]
        if hit == ignore_index:
            dx[:] = 0
            continue
        onehot = (1 - label_smoothing) * weight[hit]
        total = onehot + smooth * total_weight
        for c in range(classes):
            q = smooth * weight[c] + (onehot if c == hit else 0.0)
            dx[c] = dlosses[row] * (math.exp(log_probabilities[row, c]) * total - q)
