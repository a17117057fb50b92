"""Padding: constant, reflected, replicated and circular borders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigrad.device import array_module
from minigrad.ops.arguments import check_tensor, sizes
from minigrad.ops.indexing import EVERYTHING, Index, Slice, SliceAdjoint
from minigrad.tensor import Tensor

__all__ = ["pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Extend a tensor at its ends, or crop it.

    Args:
        input: a tensor.
        pad: (left, right, top, bottom, ...), two amounts per dimension from the last one on; negative ones crop in
            mode "constant".
        mode: "constant" fills with `value`; "reflect" mirrors without repeating the edge; "replicate" repeats the
            edge; "circular" continues at the other end.
        value: what "constant" fills with; None means 0.

    Raises:
        RuntimeError: the amounts are odd in number, too many, or more than the size allows.
        ValueError: a `value` for another mode than "constant".
        NotImplementedError: the mode is unknown, or does not pad an input of these dimensions.

    Examples:
        >>> F.pad(mg.tensor([1, 2, 3]), (2, 1))
        tensor([0, 0, 1, 2, 3, 0])
        >>> F.pad(mg.tensor([[1, 2, 3]]), (2, 2), mode="reflect")
        tensor([[3, 2, 1, 2, 3, 2, 1]])
    """
    check_tensor("pad", "input", input)
    pad = sizes("pad", (pad,))
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "pad: padding length must be even and at most two times the input's dimensions, got padding "
            f"{list(pad)} for shape {list(input.shape)}"
        )
    amounts = {input.ndim - 1 - i: (pad[2 * i], pad[2 * i + 1]) for i in range(len(pad) // 2)}
    for dim, (before, after) in amounts.items():
        if input.shape[dim] + before + after < 0:
            raise RuntimeError(
                f"pad: padding {(before, after)} takes more from dimension {dim} than its size {input.shape[dim]}"
            )
    if mode == "constant":
        return _pad_constant(input, amounts, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value is not None:
        raise ValueError(f"pad: mode {mode!r} doesn't take in a value argument, got {value}")
    if input.ndim - len(amounts) not in (1, 2) or len(amounts) > 3:
        raise NotImplementedError(
            f"pad: mode {mode!r} pads the last 1, 2 or 3 dimensions of an input with one or two more, got "
            f"padding {list(pad)} for shape {list(input.shape)}"
        )
    for dim, (before, after) in amounts.items():
        size = input.shape[dim]
        largest = {"reflect": size - 1, "circular": size}.get(mode, math.inf if size else 0)
        if max(before, after) > largest:
            raise RuntimeError(
                f"pad: mode {mode!r} can pad dimension {dim} of size {size} by at most {largest}, got {(before, after)}"
            )
        if before or after:
            source = _source(array_module(input.array), mode, size, before, after)
            input = Index.apply(input, (*[EVERYTHING] * dim, source))
    return input.clone() if not any(pad) else input


def _source(xp: Any, mode: str, size: int, before: int, after: int) -> Any:
    """Where the elements along a padded dimension are taken from, as an array of the module `xp`."""
    position = xp.arange(-before, size + after)
    if mode == "reflect":
        return size - 1 - abs(size - 1 - abs(position))
    if mode == "replicate":
        return position.clip(0, size - 1)
    # What goes round is what a negative padding leaves.
    first, end = max(-before, 0), size - max(-after, 0)
    return first + (position - first) % (end - first)


def _pad_constant(input: Tensor, amounts: dict[int, tuple[int, int]], value: float) -> Tensor:
    shape, inner, crop = list(input.shape), [EVERYTHING] * input.ndim, [EVERYTHING] * input.ndim
    for dim, (before, after) in amounts.items():
        size = input.shape[dim]
        crop[dim] = slice(max(-before, 0), size - max(-after, 0))
        inner[dim] = slice(max(before, 0), max(before, 0) + size - max(-before, 0) - max(-after, 0))
        shape[dim] = size + before + after
    return SliceAdjoint.apply(Slice.apply(input, tuple(crop)), tuple(shape), tuple(inner), value)
