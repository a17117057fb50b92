"""Clipping gradients, and parameters as one vector."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import utils

GRADIENTS = [np.array([[3.0, -4.0]]), np.array([12.0])]


def parameters():
    """Two parameters whose gradients together have the norm 13, and one without."""
    result = [nn.Parameter(mg.ones(*gradient.shape, dtype=mg.float64)) for gradient in GRADIENTS]
    for parameter, gradient in zip(result, GRADIENTS, strict=True):
        parameter.grad = mg.tensor(gradient)
    return [*result, nn.Parameter(mg.ones(2))]


def test_gradients_too_long_are_scaled_together():
    clipped = parameters()
    total = utils.clip_grad_norm_((p for p in clipped), 1.3)
    assert total.item() == 13 and total.ndim == 0
    np.testing.assert_allclose(clipped[0].grad.numpy(), GRADIENTS[0] / 10, rtol=1e-6)
    np.testing.assert_allclose(clipped[1].grad.numpy(), GRADIENTS[1] / 10, rtol=1e-6)
    assert clipped[2].grad is None


def test_short_gradients_stay():
    kept = parameters()
    utils.clip_grad_norm_(kept, 100)
    assert np.array_equal(kept[0].grad.numpy(), GRADIENTS[0])


@pytest.mark.parametrize("norm_type", [1, 2.0, 3, math.inf])
def test_clipping_equals_pytorchs(norm_type):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.ones(gradient.shape, dtype=torch.float64, requires_grad=True) for gradient in GRADIENTS]
    for parameter, gradient in zip(theirs, GRADIENTS, strict=True):
        parameter.grad = torch.tensor(gradient)
    our_norm = utils.clip_grad_norm_(ours, 2.5, norm_type)
    their_norm = torch.nn.utils.clip_grad_norm_(theirs, 2.5, norm_type)
    assert our_norm.item() == pytest.approx(their_norm.item(), rel=1e-12)
    for our, their in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(our.grad.numpy(), their.grad.numpy(), rtol=1e-12)


def test_a_norm_that_is_not_finite():
    bad = parameters()
    bad[1].grad = mg.tensor([math.nan], dtype=mg.float64)
    with pytest.raises(RuntimeError, match="non-finite, so it cannot be clipped"):
        utils.clip_grad_norm_(bad, 1, error_if_nonfinite=True)
    assert np.array_equal(bad[0].grad.numpy(), GRADIENTS[0])
    assert math.isnan(utils.clip_grad_norm_(bad, 1).item())


def test_no_gradients_at_all():
    assert utils.clip_grad_norm_([nn.Parameter(mg.ones(2))], 1).item() == 0
    assert utils.clip_grad_norm_(nn.Parameter(mg.ones(2)), 1).item() == 0


def test_values_are_cut():
    cut = parameters()
    utils.clip_grad_value_(cut, 3.5)
    assert cut[0].grad.numpy().tolist() == [[3, -3.5]] and cut[1].grad.numpy().tolist() == [3.5]


def test_vectors_go_and_come_back():
    net = nn.Linear(3, 2)
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (8,) and vector.requires_grad
    utils.vector_to_parameters(mg.arange(8).float(), net.parameters())
    assert net.weight.detach().numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net.bias.detach().numpy().tolist() == [6, 7] and net.bias.is_leaf
    with pytest.raises(ValueError, match="the parameters have 8 elements, but the vector has 7"):
        utils.vector_to_parameters(mg.ones(7), net.parameters())
    with pytest.raises(TypeError, match="expected Tensor, but got: list"):
        utils.vector_to_parameters([1.0], net.parameters())
