"""Parameter updates with Numba: one kernel call and one pass for all parameters of a network.

A network has many small parameters, and a call for each would cost more than its arithmetic. The kernel gets
the addresses of the arrays instead, treats all parameters as one concatenated vector, and cuts that into equal
tasks.
"""

from __future__ import annotations

import numpy as np
from numba import carray, prange, types
from numba.extending import intrinsic

from ..cpu.jit import jit, team
from ..cpu.relayout import in_order_of
from ..types import Arrays, Scalar

# Fewer elements are not worth handing to a thread; more tasks than threads balance any machine.
_TASK = 4096
_TASKS = 64
NANOSECONDS = 1  # a parameter takes one thread


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
    originals = [parameters]
    if momentum != 0 and momentum_buffers is not None:
        originals.append(momentum_buffers)
    written = [_laid_out(arrays, parameters) for arrays in originals]
    read = _laid_out(gradients, parameters)
    if first_step and momentum != 0:
        for buffer in written[-1]:
            buffer[...] = 0
    scalar = parameters[0].dtype.type
    sizes = _sizes(parameters)
    team(_sgd, NANOSECONDS * sizes.sum())(
        sizes,
        _objects(written[0]),
        _objects(read),
        _objects(written[-1]),  # without momentum anything: they are not read
        scalar(lr),
        scalar(-1 if maximize else 1),
        scalar(weight_decay),
        scalar(momentum),
        scalar(1 if first_step else 1 - dampening),
        nesterov,
    )
    _copy_back(written, originals)


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
    """Step number `step` (the first is 1) of Adam or AdamW, in place, on arrays of one dtype."""
    if not parameters:
        return
    step = int(step)
    originals = [parameters, exp_avgs, exp_avg_sqs]
    if max_exp_avg_sqs is not None:
        originals.append(max_exp_avg_sqs)
    written = [_laid_out(arrays, parameters) for arrays in originals]
    read = _laid_out(gradients, parameters)
    scalar = parameters[0].dtype.type
    sizes = _sizes(parameters)
    team(_adam, NANOSECONDS * sizes.sum())(
        sizes,
        _objects(written[0]),
        _objects(read),
        _objects(written[1]),
        _objects(written[2]),
        _objects(written[-1]),  # without AMSGrad anything: they are not read
        scalar(lr / (1 - beta1**step)),
        scalar(-1 if maximize else 1),
        scalar(1 - lr * weight_decay if decoupled else 1),
        scalar(0 if decoupled else weight_decay),
        scalar(1 - beta1),
        scalar(beta2),
        scalar(1 - beta2),
        scalar((1 - beta2**step) ** 0.5),
        scalar(eps),
        max_exp_avg_sqs is not None,
    )
    _copy_back(written, originals)


def _laid_out(arrays: Arrays, parameters: Arrays) -> list[np.ndarray]:
    """The arrays, each in memory as its parameter, so that one loop runs over all; copies of those that are not."""
    return [in_order_of(parameter, array) for array, parameter in zip(arrays, parameters, strict=True)]


def _copy_back(written: list[list[np.ndarray]], originals: list[Arrays]) -> None:
    for copies, arrays in zip(written, originals, strict=True):
        for copy, array in zip(copies, arrays, strict=True):
            if copy is not array:
                array[...] = copy


def _sizes(arrays: Arrays) -> np.ndarray:
    return np.array([array.size for array in arrays], np.int64)


def _objects(arrays: Arrays) -> np.ndarray:
    """The addresses of the array objects, for `_data`; each `array.ctypes.data` would take a microsecond."""
    return np.array([id(array) for array in arrays], np.uintp)


@intrinsic
def _data(typing_context, array_object, example):
    """Pointer to the elements, of the example's type, of the array object at that address.

    In NumPy's binary interface, which every compiled extension relies on, it is the first field after the
    object's head.
    """

    def codegen(context, builder, signature, arguments):
        pointer = context.get_value_type(signature.return_type)
        head = arguments[0].type(object.__basicsize__)
        field = builder.inttoptr(builder.add(arguments[0], head), pointer.as_pointer())
        return builder.load(field)

    return types.CPointer(example)(array_object, example), codegen


@jit(parallel=True)
def _sgd(sizes, parameters, gradients, buffers, lr, sign, weight_decay, momentum, fresh_share, nesterov):
    total = sizes.sum()
    tasks = max(1, min(_TASKS, total // _TASK))
    for task in prange(tasks):
        low = total * task // tasks
        high = total * (task + 1) // tasks
        for i in range(len(sizes)):
            start = max(low, 0)
            stop = min(high, sizes[i])
            if start < stop:
                p = carray(_data(parameters[i], lr), sizes[i])[start:stop]
                g = carray(_data(gradients[i], lr), sizes[i])[start:stop]
                b = carray(_data(buffers[i], lr), sizes[i])[start:stop]
                for k in range(stop - start):
                    slope = sign * g[k]
                    if weight_decay != 0:
                        slope = slope + weight_decay * p[k]
                    if momentum != 0:
                        velocity = momentum * b[k] + fresh_share * slope
                        b[k] = velocity
                        slope = slope + momentum * velocity if nesterov else velocity
                    p[k] -= lr * slope
            # From here on the task's ends count from the next parameter's first element.
            low -= sizes[i]
            high -= sizes[i]


@jit(parallel=True)
def _adam(
    sizes,
    parameters,
    gradients,
    averages,
    squares,
    largest_squares,
    step_size,
    sign,
    shrink,
    weight_decay,
    rest1,
    beta2,
    rest2,
    correction,
    eps,
    amsgrad,
):
    total = sizes.sum()
    tasks = max(1, min(_TASKS, total // _TASK))
    for task in prange(tasks):
        low = total * task // tasks
        high = total * (task + 1) // tasks
        for i in range(len(sizes)):
            start = max(low, 0)
            stop = min(high, sizes[i])
            if start < stop:
                p = carray(_data(parameters[i], eps), sizes[i])[start:stop]
                g = carray(_data(gradients[i], eps), sizes[i])[start:stop]
                m = carray(_data(averages[i], eps), sizes[i])[start:stop]
                v = carray(_data(squares[i], eps), sizes[i])[start:stop]
                largest = carray(_data(largest_squares[i], eps), sizes[i])[start:stop]
                for k in range(stop - start):
                    slope = sign * g[k]
                    value = shrink * p[k]
                    if weight_decay != 0:
                        slope = slope + weight_decay * value
                    average = m[k] + rest1 * (slope - m[k])
                    square = beta2 * v[k] + rest2 * slope * slope
                    m[k] = average
                    v[k] = square
                    if amsgrad:
                        seen = largest[k]
                        square = seen if (seen >= square) | (seen != seen) else square
                        largest[k] = square
                    p[k] = value - step_size * average / (np.sqrt(square) / correction + eps)
            low -= sizes[i]
            high -= sizes[i]
