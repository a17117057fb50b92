"""Dropout: the mask, its statistics, its backward, reproducibility, edge cases."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.generator import default_generator


def test_zero_or_scaled_and_about_as_often_as_asked():
    mg.manual_seed(0)
    y = F.dropout(mg.ones(100, 100), p=0.3).numpy()
    assert set(np.unique(y).tolist()) == {0.0, float(np.float32(1 / 0.7))}
    # 10,000 draws: four standard deviations are 0.018.
    assert abs((y == 0).mean() - 0.3) < 0.018


def test_gradient_uses_the_same_mask():
    x = mg.randn(50, 40, requires_grad=True)
    y = F.dropout(x, 0.5)
    y.sum().backward()
    np.testing.assert_allclose((x.grad * x).detach().numpy(), y.detach().numpy(), rtol=1e-6)


def test_same_seed_same_mask_and_the_next_one_differs():
    x = mg.ones(1000)
    mg.manual_seed(5)
    first, second = F.dropout(x), F.dropout(x)
    mg.manual_seed(5)
    np.testing.assert_array_equal(first.numpy(), F.dropout(x).numpy())
    assert (first.numpy() != second.numpy()).any()


def test_the_mask_does_not_depend_on_layout():
    x = mg.ones(2, 3, 4, 5)
    mg.manual_seed(1)
    straight = F.dropout(x)
    mg.manual_seed(1)
    np.testing.assert_array_equal(straight.numpy(), F.dropout(x.contiguous(memory_format=mg.channels_last)).numpy())


def test_the_reference_draws_the_same_mask():
    x = mg.ones(37, 11)
    mg.manual_seed(2)
    fast = F.dropout(x, 0.4)
    mg.manual_seed(2)
    with mg.use_kernels("reference"):
        np.testing.assert_array_equal(F.dropout(x, 0.4).numpy(), fast.numpy())


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_derivatives(function):
    state = default_generator.get_state()

    def fixed(x):
        default_generator.set_state(state)
        return function(x, 0.5)

    x = mg.randn(2, 3, 2, 2).double().requires_grad_()
    assert gradcheck(fixed, (x,))
    assert gradgradcheck(lambda t: fixed(t * t * t), (x,))


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_the_ends_of_p(function):
    x = mg.randn(3, 4, 2, 2, requires_grad=True)
    assert function(x, 0.7, training=False) is x
    np.testing.assert_array_equal(function(x, 0.0).detach().numpy(), x.detach().numpy())
    y = function(x, 1.0)
    assert not y.detach().numpy().any()
    y.sum().backward()
    assert not x.grad.numpy().any()
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
            function(x, p)


@pytest.mark.parametrize("shape", [(6, 50, 3, 4), (6, 50, 7)])
def test_dropout2d_drops_whole_maps(shape):
    y = F.dropout2d(mg.ones(*shape), 0.5).numpy().reshape(6, 50, -1)
    np.testing.assert_array_equal(y, np.broadcast_to(y[..., :1], y.shape))
    assert 0 < (y[..., 0] == 0).mean() < 1


def test_dropout2d_refuses_a_vector():
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.dropout2d(mg.ones(3))


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_inplace_writes_into_the_input(function):
    leaf = mg.randn(4, 5, 3, 3, requires_grad=True)
    mg.manual_seed(3)
    expected = function(leaf * 2)
    mg.manual_seed(3)
    x = leaf * 2
    y = function(x, inplace=True)
    assert y is x
    np.testing.assert_array_equal(x.detach().numpy(), expected.detach().numpy())
    (theirs,) = mg.autograd.grad(expected.sum(), leaf)
    (ours,) = mg.autograd.grad(x.sum(), leaf)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        function(leaf, inplace=True)


def test_an_empty_batch():
    x = mg.zeros(0, 3, requires_grad=True)
    F.dropout(x).sum().backward()
    assert x.grad.shape == (0, 3)


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="'p' must be a number, not str"):
        F.dropout(mg.ones(3), "half")
    with pytest.raises(RuntimeError, match="floating point"):
        F.dropout(mg.ones(3).long())
