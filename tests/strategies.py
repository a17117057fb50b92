"""Hypothesis strategies: the arrays, layouts and geometries that break engines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

FLOATS = st.sampled_from([np.float64, np.float32])


@st.composite
def broadcastable_shapes(draw, count: int = 2, max_dims: int = 3, max_side: int = 3) -> list[tuple[int, ...]]:
    """Shapes that broadcast with each other: 0-d, and sizes 0 and 1, included."""
    common = draw(st.lists(st.sampled_from([0, *[1, 2, max_side] * 3]), max_size=max_dims))
    shapes = []
    for _ in range(count):
        dims = draw(st.integers(0, len(common)))
        shapes.append(tuple(1 if draw(st.booleans()) else size for size in common[len(common) - dims :]))
    return shapes


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4):
    """Shapes of a few small dimensions."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


# Each takes random numbers and a shape: what is typical, what ties, and what is huge.
VALUES = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "ties": lambda random, shape: random.integers(-1, 2, shape).astype(float),
    "huge": lambda random, shape: random.standard_normal(shape) * 1e4,
    "tiny": lambda random, shape: random.standard_normal(shape) * 1e-6,
    "negative": lambda random, shape: -1 - random.random(shape),
}


@st.composite
def arrays(draw, shape=None, dtype=None, kinds: tuple[str, ...] = tuple(VALUES)) -> np.ndarray:
    """An array of floating-point numbers, in some layout in memory."""
    shape = draw(shapes()) if shape is None else shape
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = VALUES[draw(st.sampled_from(kinds))](random, shape).astype(draw(FLOATS) if dtype is None else dtype)
    return draw(layouts(values))


@st.composite
def layouts(draw, array: np.ndarray) -> np.ndarray:
    """The same values: axes in any order in memory, every other element of a larger array, backwards."""
    order = draw(st.permutations(range(array.ndim)))
    steps = draw(st.tuples(*[st.sampled_from([1, 1, 2, -1, -2])] * array.ndim))
    room = np.full([array.shape[axis] * abs(steps[axis]) for axis in order], np.nan, array.dtype)
    back = np.argsort(order) if array.ndim else []
    laid = room.transpose(back)[(..., *[slice(None, None, step) for step in steps])]
    laid[...] = array
    return laid


@dataclass(frozen=True)
class Convolution:
    """Shapes and options of a convolution that fits."""

    input: tuple[int, ...]
    weight: tuple[int, ...]
    options: dict


@st.composite
def convolutions(draw, min_batch: int = 0) -> Convolution:
    """Every geometry: H != W, kernels as large as the padded input, sizes that do not divide, groups, batch 0."""
    kernel, stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(3))
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, out_channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    covered = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, c - 2 * p) + draw(st.integers(0, 4)) for c, p in zip(covered, padding, strict=True)]
    return Convolution(
        (draw(st.integers(min_batch, 2)), channels, *size),
        (out_channels, channels // groups, *kernel),
        dict(stride=stride, padding=padding, dilation=dilation, groups=groups),
    )


@dataclass(frozen=True)
class Pooling:
    """Shape and options of a pooling that fits."""

    input: tuple[int, ...]
    options: dict


@st.composite
def poolings(draw, dilated: bool = True) -> Pooling:
    """Every geometry of pooling: overlapping windows, gaps between them, windows over the edge, batch 0."""
    kernel, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if dilated and not any(padding) else (1, 1)
    covered = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, c - 2 * p) + draw(st.integers(0, 4)) for c, p in zip(covered, padding, strict=True)]
    options = dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=draw(st.booleans()))
    if dilated:
        options["dilation"] = dilation
    return Pooling((draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size), options)


@st.composite
def classifications(draw) -> tuple[np.ndarray, np.ndarray]:
    """Logits, huge ones too, and labels, some of them ignored."""
    rows, classes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    logits = draw(arrays((rows, classes), kinds=("normal", "ties", "huge", "negative")))
    labels = draw(st.lists(st.sampled_from([*range(classes), -100]), min_size=rows, max_size=rows))
    return logits, np.array(labels)
