"""Operations that are computed in one pass over memory: a convolution, and what follows it elementwise.

A layer on top of the engine, which computes operation by operation and does not know this file. Without it all results
are the same (up to rounding, where a batch norm is folded into a convolution), only slower.

`rules` says which operations share a pass, and how it is computed. Between two of them the result waits: it is a
`Waiting` tensor, which has a shape and a dtype like any other and is computed when somebody looks at its array. Results
wait while a module is called and in a backward pass (`minigrad.pending`).

Ratios of times with and without it, 2026-12-01. Inference (one thread): VGG-11-BN, VGG-16-BN, ResNet-18 0.94, GoogLeNet
and LeNet-5 0.9. A training step (two threads) with and without what concerns backward passes and a batch's statistics:
VGG-11-BN 0.92, LeNet-5 0.93, ResNet-18 0.97, VGG-16-BN 0.98. What brought less than 3 % on every network of
`benchmarks.cases` is not here: a residual's addition with the ReLU behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.autograd.function import Function, forwards
from minigrad.device import device
from minigrad.kernels import implementation
from minigrad.ops.conv import Conv2d
from minigrad.ops.norm import BatchNorm, BatchNormBackward, BatchNormInference
from minigrad.ops.pointwise import ReLU, ReLUBackward
from minigrad.ops.pool import MaxPool2dInput
from minigrad.ops.unfold import count_windows
from minigrad.pending import pending, put_off
from minigrad.tensor import Tensor, Version, from_array

Chain = tuple[type[Function], ...]
Call = tuple[type[Function], tuple[Any, ...]]  # an operation and the arguments of its forward

rules: dict[Chain, Callable[..., Any]] = {}
"""From operations, each of which takes the result of the one before as its first argument, to the function that
computes them in one pass: it is given the arguments of each, and returns the last one's array."""

_beginnings: set[Chain] = set()  # of what `rules` has

WORTH_WAITING = 1 << 14  # elements of an input, from which an operation gains more than the 6 us that waiting costs


def rule(*operations: type[Function]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the rule for `operations`."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        rules[operations] = function
        _beginnings.update([operations[:count] for count in range(1, len(operations))])
        for operation in operations:
            forwards[operation] = run
        return function

    return enter


class Waiting(Tensor):
    """The result of a chain of operations that is still to be computed; when that is done, a tensor like any other.

    `arguments` are those of each operation's forward, in the order of `chain`. There are none once `array` is there.
    """

    chain: Chain = ()
    arguments: tuple[tuple[Any, ...], ...] = ()
    _array: Any = None

    def __init__(self, operation: type[Function], args: tuple[Any, ...], shape: tuple[int, ...], dtype: np.dtype):
        before = args[0]
        if before.waits:
            self.chain, self.arguments = (*before.chain, operation), (*before.arguments, args)
            self._inputs = before._inputs.copy()
        else:
            self.chain, self.arguments, self._inputs = (operation,), (args,), [(before._version, before._version.value)]
        self._inputs += [(a._version, a._version.value) for a in args[1:] if isinstance(a, Tensor)]
        self._shape, self._dtype, self.waits, self._version = shape, dtype, True, Version()
        put_off(self)

    def materialize(self) -> Any:
        """Compute the array, if it is not there yet, and return it."""
        if self.waits:
            self.check()
            if len(self.chain) == 1:
                self.array = self.chain[0].forward(*self.arguments[0]).array
            else:
                self.array = rules[self.chain](*self.arguments)
        return self._array

    def check(self) -> None:
        """Raise RuntimeError if another thread has written into what this is computed from (our own asks `reads`)."""
        for version, value in self._inputs:
            if version.value != value:
                raise RuntimeError(
                    f"{self.chain[-1].__name__}: the result was to be computed in one pass with what follows it, but "
                    "meanwhile another thread has written into what it is computed from"
                )

    def reads(self, tensor: Tensor) -> bool:
        """Whether the array will be computed from the memory of `tensor`."""
        return any([version is tensor._version for version, _ in self._inputs])

    @property
    def array(self) -> Any:
        """The array, which is computed now at the latest."""
        return self.materialize()

    @array.setter
    def array(self, value: Any) -> None:
        self._array, self.waits = value, False
        self.chain, self.arguments, self._inputs = (), (), []

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""
        return self._shape if self.waits else self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements."""
        return self._dtype if self.waits else self._array.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def device(self) -> device:
        """Where the array lies, or will."""
        return self.arguments[0][0].device if self.waits else super().device

    def __reduce__(self) -> Any:
        return self._alias().__reduce__()  # a plain tensor: a file outlives this layer


def run(ctx: Function, *args: Any) -> Any:
    """What `forward` of an operation that stands in `rules` returns: computed, or waiting for what follows."""
    operation, x = type(ctx), args[0]
    # A recorded batch-norm needs x in backward, so that x is computed anyway.
    if x.waits and not (operation is BatchNormInference and any(ctx.needs_input_grad)):
        chain = (*x.chain, operation)
        if chain in _beginnings and pending.results is not None:
            return Waiting(operation, args, x.shape, x.dtype)
        if chain in rules:
            x.check()
            result = rules[chain](*x.arguments, args)
            if operation is ReLU and args[1]:  # in place
                x.array = result
                return x
            if isinstance(result, tuple):
                return tuple([None if array is None else from_array(array) for array in result])
            return from_array(result)
    if (operation,) in _beginnings and pending.results is not None and _is_worth_waiting(x):
        return Waiting(operation, args, _result_shape(operation, args), x.dtype)
    return operation.forward(*args)


def _is_worth_waiting(x: Tensor) -> bool:
    """Whether an operation on `x` is large enough to gain by waiting, and nobody else can write into `x`."""
    array = x.array
    return array.size >= WORTH_WAITING and array.dtype.char in "fd" and not x._version.shared


def _result_shape(operation: type[Function], args: tuple[Any, ...]) -> tuple[int, ...]:
    x = args[0]
    if operation is Conv2d:
        return _output_shape(x.shape, args[1].shape, *args[3:])
    return args[2] if operation is MaxPool2dInput else x.shape


@lru_cache(maxsize=256)  # a network asks the same again and again
def _output_shape(shape: tuple[int, ...], weight_shape: tuple[int, ...], *geometry: Any) -> tuple[int, ...]:
    stride, padding, dilation, _ = geometry
    return (shape[0], weight_shape[0], *count_windows(shape[2:], weight_shape[2:], stride, padding, dilation))


@rule(Conv2d, ReLU)
def convolve_and_rectify(convolution: tuple[Any, ...], relu: tuple[Any, ...]) -> Any:
    """max(conv(x), 0)"""
    return _convolve(convolution, relu=True)


@rule(Conv2d, BatchNormInference)
def convolve_and_normalize(
    convolution: tuple[Any, ...], norm: tuple[Any, ...], relu: tuple[Any, ...] | None = None
) -> Any:
    """(conv(x) - mean) scale + shift: a convolution, whose outputs are scaled, with another bias"""
    bias = convolution[2]
    _, weight, shift, mean, var, eps = norm
    scale = implementation("batch_norm", var.array).scale(var.array, eps, None if weight is None else weight.array)
    folded = (-mean.array if bias is None else bias.array - mean.array) * scale
    if shift is not None:
        folded += shift.array
    return _convolve((*convolution[:2], from_array(folded), *convolution[3:]), scale=scale, relu=relu is not None)


@rule(Conv2d, BatchNormInference, ReLU)
def convolve_normalize_and_rectify(convolution: tuple[Any, ...], norm: tuple[Any, ...], relu: tuple[Any, ...]) -> Any:
    """max((conv(x) - mean) scale + shift, 0)"""
    return convolve_and_normalize(convolution, norm, relu)


@rule(BatchNorm, ReLU)
def normalize_and_rectify(norm: tuple[Any, ...], relu: tuple[Any, ...]) -> Any:
    """max((x - mean) invstd weight + bias, 0)"""
    x, weight, bias, mean, invstd, _ = norm
    return implementation("batch_norm", x.array).normalize(
        x.array, _array(weight), _array(bias), mean.array, invstd.array, relu=True
    )


@rule(ReLUBackward, BatchNormBackward)
def back_through_relu_and_norm(relu: tuple[Any, ...], norm: tuple[Any, ...]) -> Any:
    """The gradients of a batch norm, whose result's gradient is dy where y, which a ReLU returned, is positive"""
    dy, y = relu
    _, x, weight, mean, invstd = norm
    kernel = implementation("batch_norm", x.array)
    return kernel.backward(dy.array, x.array, _array(weight), mean.array, invstd.array, y=y.array)


@rule(MaxPool2dInput, ReLUBackward)
def back_through_pooling_and_relu(pooling: tuple[Any, ...], relu: tuple[Any, ...]) -> Any:
    """dy at the places of the winners, where y, which a ReLU returned, is positive there"""
    dy, *where = pooling
    return implementation("max_pool2d", dy.array).backward(dy.array, *where, gate=relu[1].array)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.array


def _convolve(arguments: tuple[Any, ...], **epilogue: Any) -> Any:
    x, weight, bias, *geometry = arguments
    kernel = implementation("conv2d", x.array)
    return kernel.forward(x.array, weight.array, None if bias is None else bias.array, *geometry, **epilogue)
