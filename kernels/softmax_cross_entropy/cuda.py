"""Cross-entropy of softmax(logits) on the GPU: a row is read from memory once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cuda import array_module, launch
from ..cuda.shapes import THREADS, power_of_two, real
from ..types import Array

FILE = "softmax_cross_entropy/softmax_cross_entropy.cu"
WARP_CLASSES = 1024  # up to here a warp takes a row: 32 classes a thread; beyond, a block
ROWS, BLOCKS = 4096, 512  # a mean: losses of a block at least (16 a thread), and blocks at most

_out_of_range: dict[int, Any] = {}  # by device


def forward(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float
) -> tuple[Array, Array]:
    """losses (N,) and log_probabilities (N, C) from logits (N, C) and target int64 (N,); see reference.py.

    A target out of range gives NaN and is counted in `out_of_range`.
    """
    xp = array_module(logits)
    n, classes = logits.shape
    losses, log_probabilities = xp.empty(n, logits.dtype), xp.empty((n, classes), logits.dtype)
    pointers = (
        xp.ascontiguousarray(logits),
        *_target_and_weight(xp, logits, target, weight),
        losses,
        log_probabilities,
        out_of_range(logits),
    )
    _launch("softmax_cross_entropy_forward", pointers, log_probabilities, ignore_index, label_smoothing)
    return losses, log_probabilities


def backward(
    dlosses: Array,
    log_probabilities: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> Array:
    """dlogits (N, C) from dlosses (N,), which may be one number broadcast; see reference.py."""
    xp = array_module(log_probabilities)
    same = dlosses.size > 0 and dlosses.strides == (0,)
    dlogits = xp.empty(log_probabilities.shape, log_probabilities.dtype)
    pointers = (
        dlosses[0] if same else xp.ascontiguousarray(dlosses),
        xp.ascontiguousarray(log_probabilities),
        *_target_and_weight(xp, log_probabilities, target, weight),
        dlogits,
        np.int32(not same),
    )
    _launch("softmax_cross_entropy_backward", pointers, log_probabilities, ignore_index, label_smoothing)
    return dlogits


def mean(losses: Array, target: Array, weight: Array | None, classes: int, ignore_index: int) -> tuple[Array, Array]:
    """The mean of the losses (N,) as cross-entropy has it, and what their sum was divided by; both 0-d, on the GPU.

    The divisor is the number of targets that are not `ignore_index`, or the sum of their classes' weights.
    """
    xp = array_module(losses)
    n, (target, weight) = losses.size, _target_and_weight(xp, losses, target, weight)
    result, divisor = xp.empty((), losses.dtype), xp.empty((), losses.dtype)
    defines = (real("cross_entropy", losses),)
    blocks = min(BLOCKS, max(1, n // ROWS))
    partial = xp.empty(2 * blocks, np.float64) if blocks > 1 else None
    arguments = (
        losses,
        target,
        weight,
        partial,
        result,
        divisor,
        np.int64(n),
        np.int32(classes),
        np.int64(ignore_index),
    )
    launch(FILE, "softmax_cross_entropy_mean", (blocks,), (THREADS,), arguments, defines=defines)
    if partial is not None:
        arguments = (partial, result, divisor, np.int32(blocks))
        launch(FILE, "softmax_cross_entropy_mean_partial", (1,), (THREADS,), arguments, defines=defines)
    return result, divisor


def out_of_range(array: Array) -> Array:
    """How many targets out of range the losses on the array's device have met: int32 (1,), on that device.

    Reading it waits for the device, so it is for when the program waits anyway; whoever reads it sets it to 0.
    """
    device = array.device.id
    if device not in _out_of_range:
        _out_of_range[device] = array_module(array).zeros(1, np.int32)
    return _out_of_range[device]


def _target_and_weight(xp: Any, logits: Any, target: Any, weight: Any | None) -> tuple[Any, Any | None]:
    target = xp.ascontiguousarray(target.astype(np.int64, copy=False))
    return target, None if weight is None else xp.ascontiguousarray(weight.astype(logits.dtype, copy=False))


def _launch(function: str, pointers: tuple, rows: Any, ignore_index: int, label_smoothing: float) -> None:
    n, classes = rows.shape
    if n == 0:
        return
    team = power_of_two(classes, 32) if classes <= WARP_CLASSES else THREADS
    block = team, THREADS // team
    numbers = np.int64(n), np.int32(classes), np.int64(ignore_index), np.float64(label_smoothing)
    launch(FILE, function, (-(-n // block[1]),), block, (*pointers, *numbers), defines=(real("cross_entropy", rows),))
