"""Normalisation: kernels against definitions and PyTorch, running statistics, derivatives, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from parity import agrees

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.ops.norm import BatchNorm, BatchNormInference, LocalResponseNorm

rng = np.random.default_rng(3)


def normal(*shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


SHAPES = [(4, 3), (2, 3, 5), (2, 3, 4, 5), (2, 3, 2, 3, 2), (5, 1, 1, 1), (1, 2, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batch_norm_in_training_as_pytorch(shape, dtype):
    channels = shape[1]
    x, weight, bias = normal(*shape, dtype=dtype), normal(channels, dtype=dtype), normal(channels, dtype=dtype)
    # PyTorch's own second derivatives carry float32's rounding many times over.
    agrees("batch_norm", x, None, None, weight, bias, training=True, second=dtype == "float64")
    agrees("batch_norm", x, None, None, training=True, eps=0.1, second=dtype == "float64")


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_evaluation_as_pytorch(shape):
    channels = shape[1]
    statistics = dict(running_mean=normal(channels), running_var=rng.uniform(0.5, 2, channels))
    agrees("batch_norm", normal(*shape), weight=normal(channels), bias=normal(channels), **statistics)
    agrees("batch_norm", normal(*shape), **statistics)


def test_weight_and_bias_have_gradients_in_evaluation():
    mean, var = mg.tensor(normal(3)), mg.tensor(rng.uniform(0.5, 2, 3))
    inputs = [mg.tensor(normal(*shape)).requires_grad_() for shape in ((2, 3, 4), (3,), (3,))]

    def function(x, weight, bias):
        return F.batch_norm(x, mean, var, weight, bias)

    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_derivatives_of_first_and_second_order():
    # The library that a textbook grew from is 36 % off in the second.
    inputs = [mg.tensor(normal(*shape)).requires_grad_() for shape in ((3, 2, 2, 2), (2,), (2,))]

    def function(x, weight, bias):
        return F.batch_norm(x, None, None, weight, bias, training=True)

    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_kernels_equal_definitions():
    x, weight, bias = [mg.tensor(normal(*shape)) for shape in ((3, 4, 2, 5), (4,), (4,))]
    mean, var = mg.tensor(normal(4)), mg.tensor(rng.uniform(0.5, 2, 4))
    batch_mean, batch_var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    arguments = x, weight, bias, batch_mean, 1 / (batch_var + 1e-5).sqrt(), 1e-5
    np.testing.assert_allclose(
        BatchNorm.apply(*arguments).numpy(), BatchNorm.definition(*arguments).numpy(), atol=1e-12
    )
    arguments = x, weight, bias, mean, var, 1e-5
    np.testing.assert_allclose(
        BatchNormInference.apply(*arguments).numpy(), BatchNormInference.definition(*arguments).numpy(), atol=1e-12
    )
    arguments = x, 3, 0.5, 0.75, 2.0
    np.testing.assert_allclose(
        LocalResponseNorm.apply(*arguments).numpy(), LocalResponseNorm.definition(*arguments).numpy(), atol=1e-12
    )


def test_running_statistics_follow_with_the_unbiased_variance():
    x = normal(4, 2, 3)
    running_mean, running_var = mg.zeros(2, dtype=mg.float64), mg.ones(2, dtype=mg.float64)
    versions = running_mean._version.value, running_var._version.value
    F.batch_norm(mg.tensor(x).requires_grad_(), running_mean, running_var, training=True, momentum=0.3)
    np.testing.assert_allclose(running_mean.numpy(), 0.3 * x.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(running_var.numpy(), 0.7 + 0.3 * x.var((0, 2), ddof=1), rtol=1e-12)
    assert running_mean._version.value > versions[0]
    assert running_var._version.value > versions[1]
    assert not running_mean.requires_grad


def test_running_statistics_rest_in_evaluation():
    running_mean, running_var = mg.zeros(2), mg.ones(2)
    F.batch_norm(mg.tensor(normal(4, 2, 3, dtype="float32")), running_mean, running_var)
    assert running_mean.tolist() == [0, 0]
    assert running_var.tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_batch_norm_refuses_one_value_per_channel_in_training(shape):
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training, got input size"):
        F.batch_norm(mg.zeros(*shape), None, None, training=True)
    F.batch_norm(mg.zeros(*shape), mg.zeros(3), mg.ones(3))


def test_large_mean_keeps_its_digits():
    x = normal(64, 2, 4, 4, dtype="float32") + np.float32(1000)
    y = F.batch_norm(mg.tensor(x), None, None, training=True).numpy()
    wide = x.astype("float64")
    exact = (wide - wide.mean((0, 2, 3), keepdims=True)) / np.sqrt(wide.var((0, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, exact, atol=2e-3)


@pytest.mark.parametrize("normalized_shape", [(5,), (4, 5), (3, 4, 5)])
def test_layer_norm_as_pytorch(normalized_shape):
    weight, bias = normal(*normalized_shape), normal(*normalized_shape)
    agrees("layer_norm", normal(2, 3, 4, 5), normalized_shape=normalized_shape)
    agrees("layer_norm", normal(2, 3, 4, 5), normalized_shape, weight, bias)


@pytest.mark.parametrize("num_groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3), (2, 4, 3, 2)])
def test_group_norm_as_pytorch(num_groups, shape):
    if num_groups < 4 or len(shape) > 2:  # one value a group has a derivative of 0 / 0
        agrees("group_norm", normal(*shape), num_groups, normal(4), normal(4))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 3, 4), (1, 4, 2, 2, 3)])
def test_local_response_norm_as_pytorch(size, shape):
    agrees("local_response_norm", normal(*shape), size, alpha=0.3, beta=0.6, k=1.5)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("dim", [0, 1, -1, (0, 2)])
def test_normalize_as_pytorch(p, dim):
    agrees("normalize", normal(2, 3, 4), p=p, dim=dim)


def test_normalize_of_zeros_is_zero():
    x = mg.zeros(2, 3, requires_grad=True)
    y = F.normalize(x)
    assert not y.detach().numpy().any()
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_layouts_and_empty_batches():
    x = mg.tensor(normal(2, 4, 3, 5))
    lying = x.contiguous(memory_format=mg.channels_last)
    for function in (
        lambda t: F.batch_norm(t, None, None, training=True),
        lambda t: F.batch_norm(t, mg.zeros(4, dtype=mg.float64), mg.ones(4, dtype=mg.float64)),
        lambda t: F.local_response_norm(t, 3),
        lambda t: F.group_norm(t, 2),
        lambda t: F.layer_norm(t, (5,)),
    ):
        np.testing.assert_allclose(function(lying).numpy(), function(x).numpy(), rtol=1e-11, atol=1e-12)
        empty = mg.zeros(0, 4, 3, 5, dtype=mg.float64, requires_grad=True)
        y = function(empty)
        assert y.shape == empty.shape
        y.sum().backward()
        assert empty.grad.shape == empty.shape


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x: F.batch_norm(x, None, None),
            RuntimeError,
            "running_mean and running_var must be defined in evaluation",
        ),
        (lambda x: F.batch_norm(x, mg.zeros(2), mg.ones(3)), RuntimeError, "running_mean should contain 3"),
        (lambda x: F.batch_norm(x, mg.zeros(3), mg.ones(3), mg.ones(4)), RuntimeError, "weight should contain 3"),
        (lambda x: F.batch_norm(x, mg.zeros(3).double(), mg.ones(3)), RuntimeError, "input's dtype float32"),
        (lambda x: F.batch_norm(x[0, 0], mg.zeros(3), mg.ones(3)), RuntimeError, r"expected input \(N, C"),
        (lambda x: F.batch_norm(x, None, None, training=True, eps=0), ValueError, "eps must be positive"),
        (lambda x: F.batch_norm(x, mg.zeros(3), mg.ones(3), eps=-1), ValueError, "eps must be non-negative"),
        (lambda x: F.layer_norm(x, (3,)), RuntimeError, r"normalized_shape=\[3\], expected input with shape \[\*, 3\]"),
        (lambda x: F.layer_norm(x, 4), TypeError, "tuple of ints, not int"),
        (lambda x: F.group_norm(x, 3.0), TypeError, "'num_groups' must be int, not float"),
        (lambda x: F.local_response_norm(x, 1.5), TypeError, "'size' must be int, not float"),
        (lambda x: F.layer_norm(x, ()), RuntimeError, "at least 1-dimensional"),
        (lambda x: F.layer_norm(x, (4,), mg.ones(3)), RuntimeError, r"Expected weight of shape \[4\]"),
        (lambda x: F.group_norm(x, 2), RuntimeError, "divisible by num_groups"),
        (lambda x: F.group_norm(x, 3, mg.ones(2)), RuntimeError, r"Expected weight of shape \[3\]"),
        (lambda x: F.group_norm(mg.zeros(1, 1), 1), ValueError, "more than 1 value per channel"),
        (lambda x: F.group_norm(mg.zeros(3), 1), RuntimeError, "at least 2 dimensions"),
        (lambda x: F.local_response_norm(x, 0), RuntimeError, "size should be greater than zero"),
        (lambda x: F.local_response_norm(mg.zeros(2, 3), 2), ValueError, "3D or higher"),
        (lambda x: F.normalize(x, dim=3), IndexError, "out of range"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(mg.zeros(2, 3, 4))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels", [0, 1, 5])
def test_batch_norm_lets_an_empty_vector_through(training, channels):
    x = mg.zeros(0, requires_grad=True)
    weight, bias = mg.ones(channels, requires_grad=True), mg.zeros(channels, requires_grad=True)
    mean, var = mg.zeros(channels), mg.ones(channels)
    y = mg.nn.functional.batch_norm(x, mean, var, weight, bias, training)
    assert y.shape == (0,) and y is not x
    y.sum().backward()
    assert x.grad.shape == (0,) and weight.grad.tolist() == bias.grad.tolist() == [0] * channels
    assert mean.tolist() == [0] * channels
    assert mg.nn.functional.batch_norm(x, None, None, training=training).shape == (0,)
