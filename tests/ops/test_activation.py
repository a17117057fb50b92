"""Activations against PyTorch: values, derivatives, kinks, extremes, in-place forms."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
from parity import agrees

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.ops import activation

rng = np.random.default_rng(9)

OVER_A_DIMENSION = [("softmax", {"dim": dim}) for dim in (0, 1, -1)] + [("log_softmax", {"dim": 1})]
ELEMENTWISE = [name for name in (*activation.__all__, "sigmoid", "tanh") if name not in dict(OVER_A_DIMENSION)]
CALLS = [
    *[(name, {}) for name in ELEMENTWISE],
    ("leaky_relu", {"negative_slope": 0.3}),
    ("elu", {"alpha": 1.7}),
    ("gelu", {"approximate": "tanh"}),
    ("softplus", {"beta": 2.5, "threshold": 3}),
]


# PyTorch computes hardsigmoid's derivative with a 1/6 of float32, and has no second one.
EXACT_IN_PYTORCH = [call for call in CALLS if call[0] != "hardsigmoid"]


@pytest.mark.parametrize(("name", "options"), EXACT_IN_PYTORCH + OVER_A_DIMENSION)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_as_pytorch(name, options, dtype):
    agrees(name, (4 * rng.standard_normal((3, 4, 5))).astype(dtype), **options)


@pytest.mark.parametrize(("name", "options"), EXACT_IN_PYTORCH)
def test_at_kinks_as_pytorch(name, options):
    agrees(name, np.array([-3.0, 0.0, 3.0, 6.0, 20.0]), second=False, **options)


def test_hardsigmoid_and_its_slopes_at_the_kinks():
    x = mg.tensor([-4.0, -3.0, 0.0, 1.5, 3.0, 5.0], requires_grad=True)
    y = F.hardsigmoid(x)
    np.testing.assert_allclose(y.detach().numpy(), [0, 0, 0.5, 0.75, 1, 1])
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, 1 / 6, 1 / 6, 0, 0])


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_extremes_as_pytorch(name, options):
    x = np.array([-1e4, -800.0, 800.0, 1e4, np.inf, -np.inf, np.nan])
    torch = pytest.importorskip("torch")
    ours = mg.tensor(x).requires_grad_()
    theirs = torch.tensor(x, requires_grad=True)
    y, expected = getattr(F, name)(ours, **options), getattr(torch.nn.functional, name)(theirs, **options)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    y[:4].sum().backward()
    expected[:4].sum().backward()
    # At infinity x f(x) has no slope in PyTorch (0 times infinity) where f tends to 0.
    known = ~np.isnan(theirs.grad.numpy()[:6])
    np.testing.assert_allclose(ours.grad.numpy()[:6][known], theirs.grad.numpy()[:6][known], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(("name", "options"), CALLS + OVER_A_DIMENSION)
def test_derivatives(name, options):
    x = mg.tensor(rng.uniform(0.3, 2.5, (2, 3)) * rng.choice([-1, 1], (2, 3))).requires_grad_()
    assert gradcheck(lambda t: getattr(F, name)(t, **options), (x,))
    assert gradgradcheck(lambda t: getattr(F, name)(t * t * t, **options), (x,))


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if "inplace" in signature(getattr(F, n)).parameters])
def test_inplace_writes_into_the_input(name):
    function = getattr(F, name)
    leaf = mg.tensor(rng.standard_normal((3, 4))).requires_grad_()
    expected = function(leaf * 3)
    x = leaf * 3
    assert function(x, inplace=True) is x
    np.testing.assert_array_equal(x.detach().numpy(), expected.detach().numpy())
    (ours,) = mg.autograd.grad(x.sum(), leaf)
    (theirs,) = mg.autograd.grad(expected.sum(), leaf)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)
    with pytest.raises(RuntimeError, match="leaf"):
        function(leaf, inplace=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_huge_logits_and_of_no_rows(name):
    function = getattr(F, name)
    y = function(mg.tensor([[1000.0, 0.0, 1000.0], [-1e30, 0.0, -np.inf]]), 1).numpy()
    expected = np.array([[0.5, 0, 0.5], [0, 1, 0]])
    np.testing.assert_allclose(np.exp(y) if name == "log_softmax" else y, expected, atol=1e-7)
    assert function(mg.zeros(0, 3), 1).shape == (0, 3)
    assert function(mg.zeros(3, 0), 1).shape == (3, 0)
    assert function(mg.tensor(2.0), 0).item() == (1 if name == "softmax" else 0)


def test_softmax_dtype_and_implicit_dimension():
    y = F.softmax(mg.tensor([1, 2, 3]), dim=0, dtype=mg.float64)
    assert y.dtype == mg.float64
    np.testing.assert_allclose(y.sum().item(), 1)
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        np.testing.assert_allclose(F.softmax(mg.zeros(2, 4)).numpy(), 0.25)
    with pytest.warns(UserWarning, match="Implicit dimension choice for log_softmax"):
        np.testing.assert_allclose(F.log_softmax(mg.zeros(2, 3, 4)).numpy(), np.log(0.5), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.softmax(mg.zeros(2), 1), IndexError, "out of range"),
        (lambda: F.softmax(mg.zeros(2).long(), 0), RuntimeError, "floating point"),
        (lambda: F.gelu(mg.zeros(2), approximate="erf"), RuntimeError, "either none or tanh"),
        (lambda: F.silu(mg.zeros(2).long()), RuntimeError, "floating point"),
        (lambda: F.relu(3.0), TypeError, "must be Tensor, not float"),
        (lambda: F.relu6([1.0]), TypeError, "must be Tensor, not list"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
