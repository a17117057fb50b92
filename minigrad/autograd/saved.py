"""Tensors that an operation keeps for its backward, and hooks that decide in what form they are kept."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from minigrad.autograd.node import AccumulateGrad, Node, gradient_edge
from minigrad.tensor import Tensor, Version

Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]  # pack and unpack


class _Thread(threading.local):
    hooks: tuple[Hooks, ...] = ()  # of the blocks that this thread is in; the last ones count
    refused: str | None = None  # why there may be none


packing = _Thread()


def keep(tensor: Tensor) -> Saved:
    """The tensor, kept for backward: as it is, or as the hooks of this thread want it."""
    return Packed(tensor, packing.hooks[-1]) if packing.hooks else Saved(tensor)


class Saved:
    """A tensor kept for backward, with the version it had: a later write into it is noticed."""

    __slots__ = ("counter", "slot", "tensor", "version")

    def __init__(self, tensor: Tensor):
        self.tensor, self.counter, self.version = tensor, tensor._version, tensor._version.value
        self.slot: int | None = None

    def is_of(self, tensor: Tensor) -> bool:
        """Whether `tensor` is the one that was kept."""
        return self.tensor is tensor

    def becomes_output(self, slot: int) -> None:
        """The tensor is the node's own output: keep its array only, for with its node it would be a cycle."""
        self.tensor, self.slot = self.tensor._alias(), slot
        self.version = self.counter.value  # a write by the operation itself is not a later one

    def check(self, node: Node) -> None:
        """Raise RuntimeError if the tensor has been written into since."""
        if self.tensor._version is not self.counter or self.counter.value != self.version:
            raise RuntimeError(
                f"{node.name()}: one of the variables needed for gradient computation has been modified by an inplace "
                f"operation: a tensor of shape {list(self.tensor.shape)} is at version "
                f"{self.tensor._version.value}; expected version {self.version}"
            )

    def keep_values(self) -> None:
        """The tensor is about to be written by the very operation that saved it: keep a copy."""
        original = self.tensor._alias()
        original.array, original._version = original.array.copy(), Version()
        self.tensor, self.counter, self.version = original, original._version, 0

    def unpack(self, node: Node) -> Tensor:
        """The tensor as it was saved."""
        self.check(node)
        if self.slot is None:
            return self.tensor
        output = self.tensor._alias()
        output._requires_grad, output._node, output._slot = True, node, self.slot
        return output


class Packed(Saved):
    """What a hook made of a tensor, and the tensor's place in the graph; writes into it are the hooks' affair."""

    __slots__ = ("edge", "hooks", "original", "packed")

    def __init__(self, tensor: Tensor, hooks: Hooks):
        self.hooks, self.slot = hooks, None
        self.original = weakref.ref(tensor)
        self.edge = gradient_edge(tensor) if tensor.requires_grad else None
        self.packed = hooks[0](tensor.detach())

    def is_of(self, tensor: Tensor) -> bool:
        return self.original() is tensor

    def becomes_output(self, slot: int) -> None:
        self.slot = slot

    def check(self, node: Node) -> None:
        pass

    def keep_values(self) -> None:
        tensor = self.original()
        assert tensor is not None  # it is about to be written into
        self.packed = self.hooks[0](tensor.detach().clone())

    @property
    def tensor(self) -> Tensor:  # type: ignore[override]
        """The values, without history."""
        values = self.hooks[1](self.packed)
        if not isinstance(values, Tensor):
            raise TypeError(
                "saved_tensors_hooks: output of saved tensor unpack_hook expected to be a Tensor but got result of "
                f"type {type(values).__name__}"
            )
        return values.detach()

    def unpack(self, node: Node) -> Tensor:
        values = self.tensor
        place = (node, self.slot) if self.slot is not None else self.edge
        if place is not None:
            made_by, values._slot = place
            values._requires_grad = True
            if isinstance(made_by, AccumulateGrad):  # a leaf's end of the graph: gradients go into that leaf
                values._accumulator = weakref.ref(made_by)
            else:
                values._node = made_by
        return values
