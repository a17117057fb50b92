"""A second engine, for judging the first: forward mode, everything spelled out, nothing shared with minigrad.

Every number carries its derivatives with respect to every element of every leaf, and each operation works out
both at once. So there is no graph, no order and no backward pass: the gradient of a result is read off. A tensor
is a list of places in a buffer; a view is another list of places in the same one.
"""

from __future__ import annotations

import numpy as np


class Memory:
    """What a tensor and its `detach` share: the numbers, and how often they were written."""

    def __init__(self, values):
        self.values, self.version = values, 0


class Buffer:
    """Numbers and their derivatives (one row a number, one column an element of a leaf)."""

    repeats = False  # whether the first tensor that was made of it holds a number in several places

    def __init__(self, memory, derivatives, requires_grad, kept=(), steps=()):
        self.memory, self.derivatives, self.requires_grad = memory, derivatives, requires_grad
        self.kept = set(kept)  # (memory, version) of what backward will want to see unchanged
        self.steps = set(steps)  # the operations that led here; backward may use each only as long as it is retained


def has_repeats(places):
    return len(np.unique(places)) < places.size


class NaiveTensor:
    def __init__(self, engine, buffer, places, taken=frozenset()):
        self.engine, self.buffer, self.places = engine, buffer, places
        self.taken = taken  # the steps from the buffer to this view of it

    shape = property(lambda self: self.places.shape)
    value = property(lambda self: self.buffer.memory.values[self.places])
    derivative = property(lambda self: self.buffer.derivatives[self.places])
    requires_grad = property(lambda self: self.buffer.requires_grad)
    steps = property(lambda self: self.buffer.steps | self.taken)
    version = property(lambda self: (self.buffer.memory, self.buffer.memory.version))

    def view(self, take):
        """The tensor of the places that `take` leaves."""
        return NaiveTensor(self.engine, self.buffer, take(self.places), self.taken | {object()})

    def detach(self):
        """The same memory, of which nothing is known to depend on the leaves."""
        buffer = self.engine.buffer(self.buffer.memory)
        buffer.repeats = has_repeats(self.places)
        return NaiveTensor(self.engine, buffer, self.places)

    def write(self, index, source):
        """The numbers of `source`, and while recording their derivatives too, in place of those at `index`."""
        places, value, derivative = self.places[index], source.value.copy(), source.derivative.copy()
        self.buffer.memory.values[places] = value
        self.buffer.memory.version += 1
        if self.engine.recording and (self.requires_grad or source.requires_grad):
            self.buffer.derivatives[places] = derivative
            self.buffer.requires_grad = True
            self.buffer.kept |= source.buffer.kept
            self.buffer.steps |= source.steps | self.taken | {object()}


class NaiveEngine:
    def __init__(self, leaves):
        """`leaves`: the arrays with respect to which everything is differentiated."""
        self.recording, self.used_up = True, set()
        self.columns = sum(array.size for array in leaves)
        self.leaves, self.gradients, column = [], [None] * len(leaves), 0
        for array in leaves:
            leaf = self.new(array, np.zeros((*array.shape, self.columns)), [], True)
            leaf.buffer.derivatives[np.arange(array.size), column + np.arange(array.size)] = 1
            self.leaves.append((leaf, slice(column, column + array.size)))
            column += array.size

    def buffer(self, memory):
        return Buffer(memory, np.zeros((memory.values.size, self.columns)), False)

    def new(self, value, derivative, operands, requires_grad=None):
        value = np.asarray(value)
        if requires_grad is None:
            requires_grad = self.recording and any(x.requires_grad for x in operands)
        memory, places = Memory(value.flatten()), np.arange(value.size).reshape(value.shape)
        if not requires_grad:
            return NaiveTensor(self, self.buffer(memory), places)
        derivative = np.array(np.broadcast_to(derivative, (*value.shape, self.columns))).reshape(-1, self.columns)
        steps = set().union(*[x.steps for x in operands], {object()})
        kept = set().union(*[x.buffer.kept for x in operands])
        return NaiveTensor(self, Buffer(memory, derivative, True, kept, steps), places)

    def constant(self, value):
        return self.new(value, 0.0, [], False)

    def add(self, x, y):
        return self.new(x.value + y.value, x.derivative + y.derivative, [x, y])

    def sub(self, x, y):
        return self.new(x.value - y.value, x.derivative - y.derivative, [x, y])

    def mul(self, x, y):
        return self._product(
            x, y, x.value * y.value, x.value[..., None] * y.derivative + y.value[..., None] * x.derivative
        )

    def div(self, x, y):
        quotient = x.value / y.value
        slope = (x.derivative - quotient[..., None] * y.derivative) / y.value[..., None]
        return self._product(x, y, quotient, slope, divisor=True)

    def matmul(self, x, y):
        slope = np.einsum("ijd,jk->ikd", x.derivative, y.value) + np.einsum("ij,jkd->ikd", x.value, y.derivative)
        return self._product(x, y, x.value @ y.value, slope)

    def _product(self, x, y, value, derivative, divisor=False):
        result = self.new(value, derivative, [x, y])
        if result.requires_grad:
            result.buffer.kept |= {x.version} if y.requires_grad else set()
            result.buffer.kept |= {y.version} if x.requires_grad or divisor else set()
        return result

    def tanh(self, x):
        return self._keeping_itself(x, np.tanh(x.value), 1 - np.tanh(x.value) ** 2)

    def exp(self, x):
        return self._keeping_itself(x, np.exp(x.value), np.exp(x.value))

    def _keeping_itself(self, x, value, slope):
        result = self.new(value, slope[..., None] * x.derivative, [x])
        if result.requires_grad:
            result.buffer.kept.add(result.version)
        return result

    def sum(self, x, axis):
        axes = tuple(range(len(x.shape))) if axis is None else (axis,)
        return self.new(x.value.sum(axes), x.derivative.sum(axes), [x])

    def backward(self, root, weight, retain_graph):
        """Add to the leaves' gradients; the operations on the way are used up unless retained."""
        total = (weight[..., None] * root.derivative).sum(tuple(range(len(root.shape))))
        for i, (leaf, columns) in enumerate(self.leaves):
            before = 0 if self.gradients[i] is None else self.gradients[i]
            self.gradients[i] = before + total[columns].reshape(leaf.shape)
        if not retain_graph:
            self.used_up |= root.steps

    def may_refuse(self, root):
        """Whether backward has a reason to raise: a kept value was written since, or a step is used up."""
        stale = any(memory.version != version for memory, version in root.buffer.kept)
        return stale or not self.used_up.isdisjoint(root.steps)
