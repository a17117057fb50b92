"""Cross-entropy of softmax(logits) against class indices, in NumPy."""

from __future__ import annotations

import numpy as np

from ..types import Array


def forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """The loss of each row, and the log-probabilities that the backward needs.

    logits (N, C); target int64 (N,), each in [0, C) or equal to ignore_index (not checked here);
    weight (C,) or None; returns losses (N,) and log_probabilities (N, C), log p = logits - logsumexp(logits),
    with the row's largest logit taken off first, so that no exponential overflows.

    loss = -(1 - s) w[t] log p[t] - s / C sum_c w[c] log p[c] with s = label_smoothing; 0 where t is ignored.
    Smoothing: Szegedy et al., "Rethinking the Inception architecture" (CVPR 2016). Weighting: PyTorch's.
    """
    n, classes = logits.shape
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and shall be
        shifted = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    weight = np.ones(classes, logits.dtype) if weight is None else weight

    kept = target != ignore_index
    hit = np.where(kept, target, 0)
    losses = -(1 - label_smoothing) * weight[hit] * log_probabilities[np.arange(n), hit]
    if label_smoothing > 0:
        losses = losses - label_smoothing / classes * (weight * log_probabilities).sum(axis=1)
    return np.where(kept, losses, 0).astype(logits.dtype), log_probabilities


def backward(
    dlosses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """dlogits (N, C) from dlosses (N,).

    With q the smoothed and weighted target, loss = -sum_c q[c] log p[c], so that
    dloss / dlogits[c] = p[c] sum(q) - q[c]; the familiar p - onehot when nothing is smoothed or weighted.
    """
    n, classes = log_probabilities.shape
    weight = np.ones(classes, log_probabilities.dtype) if weight is None else weight
    kept = target != ignore_index
    hit = np.where(kept, target, 0)
    q = np.tile(label_smoothing / classes * weight, (n, 1))
    q[np.arange(n), hit] += (1 - label_smoothing) * weight[hit]
    dlogits = dlosses[:, None] * (np.exp(log_probabilities) * q.sum(axis=1, keepdims=True) - q)
    return np.where(kept[:, None], dlogits, 0).astype(log_probabilities.dtype)
