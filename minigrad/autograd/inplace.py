"""In-place writes: every in-place operation goes through `write`.

A write changes values that other operations may have saved: it increments the version that views and their base share,
so that backward notices a stale saved value. It also changes the history of the tensor that is written to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.function import Context, Function, Gradients
from minigrad.autograd.grad_mode import state
from minigrad.autograd.observer import observed, observers
from minigrad.device import array_module
from minigrad.pending import finish
from minigrad.tensor import Tensor, from_array

EVERYWHERE = Ellipsis


class Overwrite(Function):
    """`base` after `value` was written to ``replay(base)[index]``, the array being written already.

    The gradient of what was overwritten is zero; that of `value` is what stands in its place.
    """

    @staticmethod
    def forward(ctx: Context, base: Tensor, value: Tensor, replay: Callable[[Tensor], Tensor], index: Any) -> Tensor:
        ctx.replay, ctx.index, ctx.shape = replay, index, base.shape
        ctx.order = sorted(range(base.ndim), key=lambda dim: -abs(base.array.strides[dim]))
        ctx.mark_dirty(base)
        return base

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        # The mask lies in memory as the base does, so that what was a view of the base is one of the mask.
        dense = array_module(grad_output.array).zeros([ctx.shape[dim] for dim in ctx.order], bool)
        mask = from_array(dense.transpose([ctx.order.index(dim) for dim in range(len(ctx.order))]))
        ctx.replay(mask).array[ctx.index] = True
        return grad_output.masked_fill(mask, 0), ctx.replay(grad_output)[_as_tensors(ctx.index)], None, None


def write(target: Tensor, value: Tensor, index: Any = EVERYWHERE, computed: bool = False) -> Tensor:
    """``target[index] = value`` on the array and on the tape; `index` holds arrays, slices and integers.

    `computed` says that the value was made for this write and is seen by nobody else.
    Raises RuntimeError, before anything is written, for a leaf that requires grad and for memory that
    several elements share (an expanded tensor).
    """
    check_writable(target)
    recording = state.enabled and (target.requires_grad or value.requires_grad)
    if recording and value.requires_grad and target.array.dtype.kind != "f":
        raise RuntimeError(f"in-place write: a {target.dtype} tensor cannot take a value that requires grad")
    if recording and target._base is not None:
        _check_unshared(target._base.array)  # else the write would change more of the base than its history says
    source = value.array
    if isinstance(source, np.ndarray) is not isinstance(target.array, np.ndarray):
        if source.ndim == 0 and not value.is_cuda and not value.requires_grad:
            source = source[()]  # a number is an argument of the kernel that writes it
        else:
            value = value.to(target.device)
            source = value.array
    elif index is not EVERYWHERE and np.may_share_memory(source, target.array):
        source = source.copy()
    target.array[index] = source
    if not recording:
        target._bump_version()
    elif target._base is not None:
        Overwrite.apply(target._base, value, target._replay, index)
    elif not computed or value.is_leaf:
        Overwrite.apply(target, value, _itself, index)
    else:
        # The history is the value's, as if the target had been computed so. (A value that others see may have
        # hooks, which are not the target's.)
        target._bump_version()
        adopted = value if value.shape == target.shape and value.dtype == target.dtype else _fit(value, target)
        target._requires_grad, target._node, target._slot = adopted.requires_grad, adopted._node, adopted._slot
    return observed("write", (target, value, index is EVERYWHERE), target) if observers else target


def check_not_leaf(target: Tensor) -> None:
    """Raise RuntimeError if `target` is a leaf that requires grad, or a view of one, and the thread records."""
    if state.enabled:
        base = target if target._base is None else target._base
        if base.requires_grad and base._node is None:
            which = "a leaf Variable" if base is target else "a view of a leaf Variable"
            raise RuntimeError(f"{which} that requires grad is being used in an in-place operation.")


def become(target: Tensor, view: Callable[[Tensor], Tensor]) -> Tensor:
    """Give `target` the shape, the strides and the history of ``view(target)``, in place.

    Raises RuntimeError for a leaf that requires grad.
    """
    check_not_leaf(target)
    finish(target)
    seen = view(target if target._base is not None else target._alias())
    if target._base is not None:
        target._replay, target._base_node = seen._replay, seen._base_node
    target.array = seen.array
    target._bump_version()  # what was saved of it had another shape
    target._requires_grad, target._node, target._slot = seen._requires_grad, seen._node, seen._slot
    return target


def check_writable(target: Tensor) -> None:
    """Raise RuntimeError if an in-place operation on `target` is not allowed."""
    check_not_leaf(target)
    finish(target)
    if not target._writable:
        raise RuntimeError(
            "in-place write: the tensor is a view of a channels-last one and had to be copied, so the write would be "
            "lost; take the view with .contiguous().view(...) or .reshape(...) before you write"
        )
    if not target.waits:  # else its memory will be its own
        _check_unshared(target.array)


def _check_unshared(array: Any) -> None:
    """Raise RuntimeError if elements of an array share memory, or if it must not be written."""
    shared = array.size and any([step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)])
    if shared or (isinstance(array, np.ndarray) and not array.flags.writeable):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location, or its memory is read-only. Please clone() the tensor before performing the operation."
        )


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _as_tensors(index: Any) -> tuple[Any, ...]:
    """An index as `Tensor.__getitem__` takes it."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple([from_array(part) if hasattr(part, "dtype") else part for part in parts])


def _fit(value: Tensor, target: Tensor) -> Tensor:
    return value.to(target.dtype).expand(target.shape)
