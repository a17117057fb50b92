"""Fused operations whose arguments depend on one another: each argument's gradient is its own alone."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import FusedFunction, checkpoint, gradcheck, gradgradcheck
from minigrad.nn import functional as F
from minigrad.ops.loss import SoftmaxCrossEntropy
from minigrad.ops.norm import BatchNorm, BatchNormInference, LocalResponseNorm

INPUT = mg.tensor(np.random.default_rng(3).standard_normal((3, 3)))
VARIANCE = mg.tensor([0.5, 2.0, 1.5], dtype=mg.float64)

# Of one (3, 3) leaf w: an operation of which one argument is computed from another, or is the same tensor.
TIED = {
    "linear, a weight used twice": lambda w: F.linear(F.linear(INPUT, w).tanh(), w),
    "linear, one tensor as both": lambda w: F.linear(w, w),
    "linear, the bias from the input": lambda w: F.linear(w, INPUT, w.sin()[0]),
    "batch norm, the weight from the input": lambda w: F.batch_norm(w, None, None, w.square().mean(0), w[0], True),
    "batch norm in evaluation": lambda w: F.batch_norm(w, VARIANCE - 1, VARIANCE, w.sum(0), w.sin().sum(1)),
    "batch norm, one tensor as both": lambda w: F.batch_norm(w, None, None, w[0], w[0], True),
    "checkpoint, one input from another": lambda w: checkpoint(lambda x, y: x.exp() * y * x, w.sin(), w),
    "checkpoint, an input from what the segment uses": lambda w: checkpoint(lambda x: F.linear(x, w).sin(), w.cos()),
    "checkpoint, one tensor as both": lambda w: checkpoint(lambda x, y: x.exp() * y * y, w, w),
}


def test_every_fused_operation_is_here():
    def below(cls):
        return [cls, *[c for sub in cls.__subclasses__() for c in below(sub)]]

    engine = {cls.__name__ for cls in below(FusedFunction) if cls.__module__.startswith("minigrad.ops")}
    alone = {LocalResponseNorm.__name__, SoftmaxCrossEntropy.__name__}  # only one argument has a gradient
    assert engine - alone == {"Linear", BatchNorm.__name__, BatchNormInference.__name__}


@pytest.mark.parametrize("name", TIED)
def test_the_graph_of_a_gradient_changes_no_gradient(name):
    w = mg.tensor(np.random.default_rng(0).uniform(0.5, 1.5, (3, 3)), requires_grad=True)
    weights = mg.tensor(np.random.default_rng(1).standard_normal((3, 3)))
    (plain,) = mg.autograd.grad((TIED[name](w) * weights).sum(), w)
    (recorded,) = mg.autograd.grad((TIED[name](w) * weights).sum(), w, create_graph=True)
    np.testing.assert_allclose(recorded.detach().numpy(), plain.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", TIED)
def test_both_orders_by_finite_differences(name):
    w = mg.tensor(np.random.default_rng(2).uniform(0.5, 1.5, (3, 3)), requires_grad=True)
    assert gradcheck(TIED[name], w)
    assert gradgradcheck(TIED[name], w)
