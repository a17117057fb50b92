"""Numbers among which some are missing (NaN), quantiles and differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.ops.arguments import check_floating, check_tensor, dimension
from minigrad.ops.choice import where
from minigrad.ops.comparison import bitwise_xor
from minigrad.ops.gathering import gather
from minigrad.ops.indexing import narrow
from minigrad.ops.joining import cat
from minigrad.ops.pointwise import ceil, floor, round
from minigrad.ops.reduction import sum as total
from minigrad.ops.sorting import sort
from minigrad.tensor import Tensor, from_array

__all__ = ["diff", "nan_to_num", "nanmean", "nansum", "quantile"]


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Replace NaN and the infinities by numbers; the gradient of what was replaced is 0.

    Args:
        input: a tensor.
        nan: what stands for NaN.
        posinf, neginf: what stands for the infinities; None for the largest and the smallest number of the dtype.

    Examples:
        >>> mg.nan_to_num(mg.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
        tensor([1., 0., 9.])
    """
    if check_tensor("nan_to_num", "input", input).dtype.kind != "f":
        return input.clone()
    limits = np.finfo(input.dtype)
    result = input.masked_fill(input != input, nan)
    result = result.masked_fill(input == float("inf"), float(limits.max) if posinf is None else posinf)
    return result.masked_fill(input == float("-inf"), float(limits.min) if neginf is None else neginf)


def nansum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Sum over some or all dimensions, with NaN as 0.

    Args:
        input: a tensor.
        dim: the dimension or dimensions; None for all.
        keepdim: keep the summed dimensions with size 1.
        dtype: the type to sum in.

    Raises:
        IndexError: there is no such dimension.

    Examples:
        >>> mg.nansum(mg.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    check_tensor("nansum", "input", input)
    return total(input.masked_fill(input != input, 0), dim, keepdim, dtype=dtype)


def nanmean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Average over some or all dimensions what is not NaN; NaN where nothing is.

    Args:
        input: a tensor of floating-point numbers.
        dim: the dimension or dimensions; None for all.
        keepdim: keep the averaged dimensions with size 1.
        dtype: the type to average in.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: the dtype is not floating-point.

    Examples:
        >>> mg.nanmean(mg.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    check_floating("nanmean", "input", input)
    return nansum(input, dim, keepdim, dtype=dtype) / (input == input).sum(dim, keepdim)


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """Take the number below which a share `q` of the numbers along a dimension lies; NaN if one of them is.

    Args:
        input: a tensor of floating-point numbers.
        q: a number from 0 to 1, or a vector of them, which becomes the result's first dimension.
        dim: the dimension; None for all elements.
        keepdim: keep the dimension with size 1.
        interpolation: what to take between two numbers: "linear", "lower", "higher", "midpoint" or "nearest".

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: `q` is not within 0 and 1, has more than one dimension or another dtype, there are no numbers, the
            dtype is not floating-point, or `interpolation` is another one.

    Examples:
        >>> mg.quantile(mg.tensor([0.0, 1.0, 2.0, 3.0]), mg.tensor([0.25, 0.5]))
        tensor([0.7500, 1.5000])
    """
    check_floating("quantile", "input", input)
    shares = q if isinstance(q, Tensor) else from_array(np.asarray(q, input.dtype)).to(input.device)
    if shares.dtype != input.dtype or shares.ndim > 1:
        raise RuntimeError(
            f"quantile: q must be a number or a vector of input's dtype {input.dtype}, got {shares.dtype} of shape "
            f"{list(shares.shape)}"
        )
    if not bool(((shares >= 0) & (shares <= 1)).all()):
        raise RuntimeError("quantile: q values must be in the range [0, 1]")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            "quantile: interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation!r}"
        )
    axis = 0 if dim is None else dimension("quantile", dim, input.ndim)
    flat = input.reshape(-1) if dim is None or input.ndim == 0 else input
    if flat.shape[axis] == 0:
        raise RuntimeError(f"quantile: there is no quantile of no elements, got shape {list(input.shape)}")
    ordered = sort(flat, axis).values.movedim(axis, -1)
    last = flat.shape[axis] - 1
    has_nan = (ordered != ordered).any(-1, keepdim=True)  # then the last number is NaN
    places = where(has_nan, float(last), (shares * last).reshape(-1))
    if interpolation in ("lower", "higher", "nearest"):
        chosen = {"lower": floor, "higher": ceil, "nearest": round}[interpolation](places)
        result = gather(ordered, -1, chosen.to(np.int64))
    else:
        below = floor(places)
        weight = places - below if interpolation == "linear" else where(places == below, 0.0, 0.5).to(input.dtype)
        result = gather(ordered, -1, below.to(np.int64))
        above = gather(ordered, -1, ceil(places).to(np.int64))
        result = result.lerp(above, weight)
    result = result.movedim(-1, 0)  # (q, the other dimensions)
    if keepdim:
        shape = [1] * input.ndim if dim is None else [*input.shape[:axis], 1, *input.shape[axis + 1 :]]
        result = result.reshape(-1, *(shape if input.ndim else ()))
    return result if shares.ndim else result.squeeze(0)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Subtract from each element the one before it, along a dimension.

    Args:
        input: a tensor of at least one dimension.
        n: how many times.
        dim: the dimension.
        prepend, append: what to put in front of it and behind it first.

    Raises:
        IndexError: there is no dimension `dim`.
        RuntimeError: the tensor has no dimensions, `n` is negative, or shapes do not fit.

    Examples:
        >>> mg.diff(mg.tensor([1, 3, 2]))
        tensor([ 2, -1])
    """
    if check_tensor("diff", "input", input).ndim == 0:
        raise RuntimeError("diff: expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    dim = dimension("diff", dim, input.ndim)
    if n == 0:
        return input.clone()
    parts = [part for part in (prepend, input, append) if part is not None]
    result = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        count = max(result.shape[dim] - 1, 0)
        later, earlier = narrow(result, dim, min(1, result.shape[dim]), count), narrow(result, dim, 0, count)
        result = bitwise_xor(later, earlier) if result.dtype == dtypes.bool_ else later - earlier
    return result
