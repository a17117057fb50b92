"""Batch-norm, a residual's addition, ReLU and max-pooling: where two of them can share a pass over memory.

Each of them reads and writes a whole layer and computes next to nothing, so the memory is what they wait for.
Batch-norm's result waits (`minigrad.autograd.deferred`) for an addition and a ReLU to be computed with it, and the
gradient that ReLU sends back waits for batch-norm's backward, which reads the mask itself. What max-pooling sends back
to a ReLU waits to be masked before it is spread over four times as many elements.

What it brings (2 cores, 2026-11-22): a training step of ResNet-20 on 128 pictures of 28x28 takes 0.98 of the time,
inference 0.91; ResNet-50 on 4 of 224x224 0.99 and 0.97. The caches hold what the separate passes hand on.
"""

from __future__ import annotations

from minigrad.autograd.deferred import Deferred
from minigrad.autograd.function import Node, Saved
from minigrad.autograd.grad_mode import state
from minigrad.device import array_module
from minigrad.kernels.dispatch import implementation
from minigrad.tensor import Tensor


class Normalized(Deferred):
    """(x - mean) scale + bias, a vector each of channels, and a residual if one has been added."""

    def __init__(self, x: Tensor, mean, scale, bias, residual: Tensor | None = None):
        super().__init__(x.array)
        self.vectors = mean, scale, bias
        self.inputs = [Saved(x)]
        if residual is None:
            state.deferred = self
        else:
            self.add_residual(residual)

    def compute(self):
        return self.finish()

    def finish(self, relu: bool = False):
        """The array, rectified if so asked."""
        for saved in self.inputs:
            if saved.counter.value != saved.version:
                raise RuntimeError(
                    "batch_norm: the result was computed in one pass with what follows it and has no array of its own; "
                    "look at it before its input is written in place"
                )
        x, *residual = [saved.tensor.array for saved in self.inputs]
        mean, scale, bias = self.vectors
        kernel = implementation("batch_norm", x)
        return kernel.normalize(x, None, bias, mean, scale, *residual, relu=relu)

    def add_residual(self, residual: Tensor) -> None:
        """Let this be the sum with `residual`, still waiting."""
        self.inputs.append(Saved(residual))
        state.deferred = self

    def plus(self, residual: Tensor) -> Normalized:
        """The sum with `residual`, waiting as this did."""
        return Normalized(self.inputs[0].tensor, *self.vectors, residual)


class Gated(Deferred):
    """What a ReLU that gave the array y makes of the gradient dy: dy where y > 0, else 0."""

    def __init__(self, dy, y):
        super().__init__(dy)
        self.dy, self.y = dy, y

    def compute(self):
        return implementation("elementwise", self.dy).relu_backward(self.dy, self.y)


class Scattered(Deferred):
    """What max-pooling makes of the gradient dy: each element goes back to where the winner of its window was."""

    maker: Node | None = None  # of what was pooled
    maxima = None  # what pooling made, if it still holds that

    def __init__(self, dy, index, input_shape: tuple[int, ...], geometry: tuple):
        xp = array_module(dy)
        super().__init__(xp.broadcast_to(xp.zeros((), dy.dtype), input_shape))
        self.dy, self.windows = dy, (index, input_shape, *geometry)

    def compute(self):
        return self._scatter(self.dy)

    def gated(self):
        """What the ReLU `maker` makes of this: a winner is positive if its maximum is, and of these there are fewer."""
        return self._scatter(implementation("elementwise", self.dy).relu_backward(self.dy, self.maxima))

    def _scatter(self, dy):
        return implementation("max_pool2d", dy).backward(dy, *self.windows)


def takes_residual(x: Tensor, residual) -> bool:
    """Whether `x` is a batch-norm's waiting result that `residual` can be added to in the same pass."""
    return (
        isinstance(x, Normalized)
        and len(x.inputs) == 1
        and isinstance(residual, Tensor)
        and residual.shape == x.shape
        and residual.dtype == x.dtype
        and residual.device == x.device
    )


def rectified(x: Tensor):
    """max(x, 0) as a new array, in one pass with the batch-norm whose result waits."""
    if not isinstance(x, Normalized):
        return implementation("elementwise", x.array).relu(x.array)
    y = x.finish(relu=True)
    if x._node is not None and len(x.inputs) == 1:
        x._node.rectified = y
    return y
