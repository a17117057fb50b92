"""A training step's small kernels ask the device for nothing that a CUDA graph cannot hold, and the same each time."""

import numpy as np
import pytest

from minigrad.kernels.cuda import simulated
from minigrad.kernels.cuda.simulator import trace_launches
from minigrad.kernels.dropout import cuda as dropout
from minigrad.kernels.optimizer import cuda as optimizer
from minigrad.kernels.philox import cuda as philox
from minigrad.kernels.reduction import cuda as reduction
from minigrad.kernels.softmax_cross_entropy import cuda as softmax_cross_entropy


def test_two_steps_launch_the_same_and_never_wait(xp):
    if not simulated():
        pytest.skip("only the simulator writes down what it was asked for")
    rng = np.random.default_rng(0)
    x, target = xp.asarray(rng.standard_normal((9, 7)).astype(np.float32)), xp.asarray(rng.integers(0, 7, 9))
    bias, velocity, mean, square = (xp.zeros((1, 7), np.float32) for _ in range(4))
    state = xp.asarray(np.array([5, 0], np.uint64))
    lr, count = xp.asarray(np.array(0.1)), xp.asarray(np.array(1, np.float32))

    def step():
        logits = dropout.forward(x, 0.5, state, 0) + bias
        losses, log_p = softmax_cross_entropy.forward(logits, target, None, -100, 0.1)
        loss, divisor = softmax_cross_entropy.mean(losses, target, None, 7, -100)
        slope = xp.broadcast_to(1 / divisor, losses.shape)
        dlogits = softmax_cross_entropy.backward(slope, log_p, target, None, -100, 0.1)
        gradient = reduction.sum_middle(dlogits.reshape(1, 9, 7))
        optimizer.clip([gradient], 1.0, optimizer.norm([gradient]))
        optimizer.sgd([bias], [gradient], [velocity], lr, 0.9, 0.0, 0.0, False, False, False)
        optimizer.adam([bias], [gradient], [mean], [square], None, count, lr, 0.9, 0.999, 1e-8, 0.0, True, False)
        philox.advance(state, 16)
        return loss

    step()  # compiles, and makes the counter of targets out of range
    traces = []
    for _ in range(2):
        with trace_launches() as events:
            loss = step()
        assert all(event.capturable for event in events)
        traces.append(events)
        assert np.isfinite(loss.get())
        lr[...] = 0.05
        del loss
    assert traces[0] == traces[1]
    assert sum(event.kind == "launch" for event in traces[0]) == 11
    assert state.get().tolist() == [5, 48]
