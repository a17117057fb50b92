"""Images of another size. Every way to compute them is linear, and each axis is resized by itself: by a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.ops.arguments import check_floating, check_tensor
from minigrad.ops.gathering import index_select
from minigrad.ops.shape import movedim
from minigrad.tensor import Tensor, from_array

__all__ = ["interpolate"]

# Of each mode: the numbers of spatial dimensions.
MODES = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3),
    "linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,),
}  # fmt: skip
SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")


class Resize(Function):
    """One axis times the matrix of a mode; the gradient is the same with the matrix transposed, to any order"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, axis: int, matrix: tuple[Any, ...], transposed: bool) -> Tensor:
        ctx.axis, ctx.matrix, ctx.transposed = axis, matrix, transposed
        mode, *numbers = matrix
        weights = from_array(array_module(x.array).asarray(MATRICES[mode](*numbers).astype(x.dtype)))
        return movedim(movedim(x, axis, -1) @ (weights if transposed else weights.T), -1, axis)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Resize.apply(grad_output, ctx.axis, ctx.matrix, not ctx.transposed), None, None, None


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize images, or signals or volumes, to another height and width.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: the spatial sizes of the result; an int means the same for each. This or `scale_factor`.
        scale_factor: the result's size over the input's, rounded down; a number means the same for each axis.
        mode: "nearest", "nearest-exact" (without the half pixel's shift of "nearest"), "linear" (of signals),
            "bilinear" and "bicubic" (of images), "trilinear" (of volumes), or "area" (means, as `adaptive_avg_pool2d`).
        align_corners: of the smooth modes: whether the corner pixels' centres, not their outer edges, stay in place.
        recompute_scale_factor: find positions by the sizes, not by `scale_factor`.
        antialias: must be False.

    Raises:
        ValueError: the mode is unknown, or is not for inputs of so many dimensions; neither or both of `size` and
            `scale_factor` are given, or too few or too many of them; `align_corners` is given to a mode without it.
        RuntimeError: a size is not positive, or a smooth mode gets integers.
        NotImplementedError: `antialias` is True.

    Source: Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -3/4, for "bicubic".

    Examples:
        >>> x = mg.tensor([[[[1.0, 2.0]]]])
        >>> F.interpolate(x, scale_factor=(1, 2))
        tensor([[[[1., 1., 2., 2.]]]])
        >>> F.interpolate(x, (1, 3), mode="bilinear", align_corners=True)
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    check_tensor("interpolate", "input", input)
    spatial = input.ndim - 2
    _check_mode(mode, spatial, align_corners)
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not there; 'area' takes means where an image shrinks")
    sizes, factors = _sizes(input.shape[2:], size, scale_factor, recompute_scale_factor)
    if mode in SMOOTH or mode == "area":
        check_floating("interpolate", "input", input)
    if min(sizes) < 1 or min(input.shape[2:]) < 1:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {list(input.shape[2:])} and "
            f"output {sizes}"
        )
    result = input
    for axis, (now, new, factor) in enumerate(zip(input.shape[2:], sizes, factors, strict=True), start=2):
        scale = now / new if factor is None else 1 / factor
        if mode.startswith("nearest"):
            index = _nearest(now, new, scale, 0.5 if mode == "nearest-exact" else 0.0)
            result = index_select(result, axis, from_array(array_module(input.array).asarray(index)))
        elif now != new or scale != 1:
            result = Resize.apply(result, axis, (mode, now, new, scale, bool(align_corners)), False)
    return result.clone() if result is input else result


def _check_mode(mode: str, spatial: int, align_corners: bool | None) -> None:
    if mode not in MODES:
        raise ValueError(f"interpolate: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if spatial not in MODES[mode]:
        fitting = " or ".join(f"{n + 2}-D" for n in MODES[mode])
        raise ValueError(f"interpolate: mode {mode!r} is for a {fitting} input (N, C, ...), got a {spatial + 2}-D one")
    if align_corners is not None and mode not in SMOOTH:
        raise ValueError(
            "interpolate: align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )


def _sizes(
    shape: Sequence[int], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    """The spatial sizes of the result, and the factors that positions go by (None: by the sizes)."""
    if (size is None) == (scale_factor is None):
        which = "either size or scale_factor should be defined" if size is None else "only one of size or scale_factor"
        raise ValueError(f"interpolate: {which}")
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    values = list(given) if isinstance(given, (list, tuple)) else [given] * len(shape)
    if len(values) != len(shape):
        raise ValueError(f"interpolate: {name} must be a number, or one for each of {len(shape)} axes, got {given}")
    if scale_factor is None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
        return [int(value) for value in values], [None] * len(shape)
    sizes = [math.floor(now * float(factor)) for now, factor in zip(shape, values, strict=True)]
    return sizes, [None if recompute else float(factor) for factor in values]


@lru_cache(maxsize=64)
def _nearest(now: int, new: int, scale: float, shift: float) -> np.ndarray:
    """For each place of the result the place it is taken from; in float32, as PyTorch's."""
    places = (np.arange(new, dtype=np.float32) + np.float32(shift)) * np.float32(scale)
    return np.minimum(np.floor(places).astype(np.int64), now - 1)


def _positions(now: int, new: int, scale: float, align_corners: bool) -> np.ndarray:
    """Where the places of the result lie among those of the input, whose centres are 0, 1, ..."""
    if align_corners:
        return np.arange(new) * ((now - 1) / (new - 1) if new > 1 else 0.0)
    return (np.arange(new) + 0.5) * scale - 0.5


@lru_cache(maxsize=64)
def _linear(now: int, new: int, scale: float, align_corners: bool) -> np.ndarray:
    """(new, now): each place is a mean of its two neighbours, weighted by nearness."""
    at = np.clip(_positions(now, new, scale, align_corners), 0, now - 1)
    below = np.floor(at).astype(np.int64)
    matrix, rows = np.zeros((new, now)), np.arange(new)
    np.add.at(matrix, (rows, below), 1 - (at - below))
    np.add.at(matrix, (rows, np.minimum(below + 1, now - 1)), at - below)
    return matrix


@lru_cache(maxsize=64)
def _cubic(now: int, new: int, scale: float, align_corners: bool) -> np.ndarray:
    """(new, now): Keys' cubic through four neighbours; beyond an edge its pixel is repeated."""
    at = _positions(now, new, scale, align_corners)
    below, a = np.floor(at).astype(np.int64), -0.75
    matrix, rows = np.zeros((new, now)), np.arange(new)
    for tap in (-1, 0, 1, 2):
        d = np.abs(at - below - tap)
        near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        np.add.at(matrix, (rows, np.clip(below + tap, 0, now - 1)), np.where(d <= 1, near, far))
    return matrix


@lru_cache(maxsize=64)
def _area(now: int, new: int, scale: float, align_corners: bool) -> np.ndarray:
    """(new, now): means over windows from floor(i now / new) to ceil((i + 1) now / new)."""
    matrix = np.zeros((new, now))
    for i in range(new):
        start, end = i * now // new, -(-(i + 1) * now // new)
        matrix[i, start:end] = 1 / (end - start)
    return matrix


MATRICES: dict[str, Callable[[int, int, float, bool], np.ndarray]] = {
    "linear": _linear, "bilinear": _linear, "trilinear": _linear, "bicubic": _cubic, "area": _area,
}  # fmt: skip
