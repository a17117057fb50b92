"""Parameter updates on the GPU: one launch for up to 64 arrays.

The numbers that a schedule changes may be 0-d arrays on the GPU, `lr`, `momentum` and `beta1` of float64, `step` of
float32: a step that was captured as a graph then sees their new values at each replay. If they are 0-d arrays of the
host, a captured step takes them to the GPU before each replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..cuda import array_module, launch
from ..cuda.capture import capturing
from ..cuda.shapes import THREADS, real
from ..geometry import is_dense
from ..types import Array, Arrays, Scalar

FILE = "optimizer/optimizer.cu"
PIECE = 1024  # elements of a block: 4 a thread
ARRAYS = 64  # of a launch; with PIECE, as in optimizer.cu
ROLES = "parameter", "gradient", "first", "second", "third"
TABLE = np.dtype(
    [*((role, np.uint64, ARRAYS) for role in ROLES), ("size", np.int64, ARRAYS), ("first_block", np.int32, ARRAYS)]
    + [("count", np.int32), ("unused", np.int32)]  # the struct's size is a multiple of 8
)


def sgd(
    parameters: Arrays,
    gradients: Arrays,
    momentum_buffers: Arrays | None,
    lr: Scalar,
    momentum: Scalar,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first_step: bool,
) -> None:
    """One step of stochastic gradient descent, in place, on arrays of one dtype; see reference.py."""
    if not parameters:
        return
    without = momentum_buffers is None or (_is_number(momentum) and momentum == 0)
    buffers = None if without else momentum_buffers
    scalar = parameters[0].dtype.type
    arguments = (
        *_number_or_memory(lr, np.float64),
        *_number_or_memory(0 if buffers is None else momentum, np.float64),
        scalar(-1 if maximize else 1),
        scalar(weight_decay),
        scalar(1 - dampening),
        np.int32(nesterov),
        np.int32(first_step),
    )
    _update("optimizer_sgd", parameters, gradients, [] if buffers is None else [buffers], arguments)


def adam(
    parameters: Arrays,
    gradients: Arrays,
    exp_avgs: Arrays,
    exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None,
    step: Scalar,
    lr: Scalar,
    beta1: Scalar,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Step number `step` (the first is 1) of Adam or AdamW, in place, on arrays of one dtype; see reference.py."""
    if not parameters:
        return
    scalar = parameters[0].dtype.type
    arguments = (
        *_number_or_memory(lr, np.float64),
        *_number_or_memory(step, np.float32),
        *_number_or_memory(beta1, np.float64),
        np.float64(beta2),
        scalar(eps),
        np.float64(weight_decay),
        np.int32(decoupled),
        scalar(-1 if maximize else 1),
        np.int32(max_exp_avg_sqs is not None),
    )
    states = [exp_avgs, exp_avg_sqs] + ([] if max_exp_avg_sqs is None else [max_exp_avg_sqs])
    _update("optimizer_adam", parameters, gradients, states, arguments)


def norm(gradients: Arrays) -> Array:
    """The Euclidean norm of arrays of one dtype as if they were one vector; 0-d, on the GPU."""
    xp, dtype = array_module(gradients[0]), gradients[0].dtype
    defines = (real("norm", gradients[0]),)
    gradients = [_dense(gradient) for gradient in gradients]
    partial = xp.empty(max(1, sum(_blocks(gradient) for gradient in gradients)), np.float64)
    start = 0
    for table, blocks, arrays in _tables({"gradient": gradients}):
        part = partial[start : start + blocks]
        _launch("optimizer_squares", blocks, (table, part), defines, arrays)
        start += blocks
    total = xp.empty((), dtype)
    # The largest block there is, as in optimizer.cu.
    launch(FILE, "optimizer_norm", (1,), (1024,), (partial, total, np.int32(start)), defines=defines)
    return total


def clip(gradients: Arrays, max_norm: float, norm: Array) -> None:
    """Scale the gradients in place by max_norm / norm where that is less than 1; `norm` as the function gives it."""
    if not gradients:
        return
    defines = (real("clip", gradients[0]),)
    written = [_dense(gradient) for gradient in gradients]
    limit = gradients[0].dtype.type(max_norm)
    for table, blocks, arrays in _tables({"gradient": written}):
        _launch("optimizer_clip", blocks, (table, norm, limit), defines, arrays)
    _copy_back(written, gradients)


def _update(function: str, parameters: Arrays, gradients: Arrays, states: list[Arrays], arguments: tuple) -> None:
    defines = (real("optimizer", parameters[0]),)
    written = [_dense(parameter) for parameter in parameters]
    lists = [written, *([_laid_as(p, a) for p, a in zip(written, s, strict=True)] for s in (gradients, *states))]
    for table, blocks, arrays in _tables(dict(zip(ROLES, lists, strict=False))):
        _launch(function, blocks, (table, *arguments), defines, arrays)
    for copies, originals in zip([written, *lists[2:]], [parameters, *states], strict=True):
        _copy_back(copies, originals)


def _tables(lists: dict[str, list]) -> Iterator[tuple[np.ndarray, int, list]]:
    """For each launch the table of its arrays, by value; its blocks; and the arrays."""
    rows = [row for row in zip(*lists.values(), strict=True) if row[0].size]
    for start in range(0, len(rows), ARRAYS):
        part = rows[start : start + ARRAYS]
        table = np.zeros((), TABLE)
        for i, role in enumerate(lists):
            table[role][: len(part)] = [row[i].data.ptr for row in part]
        table["size"][: len(part)] = [row[0].size for row in part]
        blocks = [_blocks(row[0]) for row in part]
        table["first_block"][: len(part)] = np.cumsum([0, *blocks[:-1]])
        table["count"] = len(part)
        yield table, sum(blocks), [array for row in part for array in row]


def _launch(function: str, blocks: int, arguments: tuple, defines: tuple, arrays: list) -> None:
    launch(FILE, function, (blocks,), (THREADS,), arguments, defines=defines, indirect=tuple(arrays))


def _blocks(array: Any) -> int:
    return -(-array.size // PIECE)


def _number_or_memory(value: Any, dtype: type) -> tuple[Any | None, np.float64]:
    """A setting as the kernels take it: where it lies on the GPU, or the number itself."""
    capture = capturing() if isinstance(value, np.ndarray) else None
    if capture is not None:
        value = capture.number(value, dtype)
    if _is_number(value):
        return None, np.float64(value)
    if value.dtype != dtype or value.size != 1:
        raise TypeError(
            f"optimizer: a setting on the GPU must be one {np.dtype(dtype)}, got {value.dtype}{list(value.shape)}"
        )
    return value, np.float64(0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.generic | np.ndarray)


def _dense(array: Any) -> Any:
    """The array, or a copy of it without gaps in memory."""
    return array if is_dense(array) else array_module(array).ascontiguousarray(array)


def _laid_as(like: Any, array: Any) -> Any:
    """The array, or a copy of it whose elements lie in memory in the same order as those of the dense `like`."""
    xp = array_module(array)
    if like.flags.c_contiguous:
        return xp.ascontiguousarray(array)
    return xp.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _copy_back(copies: Arrays, originals: Arrays) -> None:
    for copy, original in zip(copies, originals, strict=True):
        if copy.data.ptr != original.data.ptr:
            original[...] = copy
