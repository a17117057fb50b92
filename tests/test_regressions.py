"""Defects that other small engines have had, one test each, and PyTorch's conventions at the points where they bite."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.autograd import gradcheck, gradgradcheck


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(values, dtype=mg.float64, requires_grad=True)


def normal(*shape: int, seed: int = 0) -> mg.Tensor:
    return mg.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_same_tensor_minus_itself():
    x = leaf(3.0, -2.0)
    (x - x).sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_same_tensor_divided_by_itself():
    x = leaf(4.0, -2.0)
    (x / x).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize("divide", [lambda n: n / 2, lambda n: 2 / n, lambda n: n / True, lambda n: n / n])
def test_integers_divide_as_the_default_dtype(divide):
    assert divide(mg.tensor([-7, 7])).dtype == mg.float32


def test_same_tensor_times_itself():
    x = leaf(3.0, -2.0)
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, -4]


def test_gradient_of_broadcast_product():
    x, y = normal(3, 1), normal(2, 3, 4, seed=1)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and y.grad.shape == (2, 3, 4)
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy().sum((0, 2))[:, None])
    np.testing.assert_allclose(y.grad.numpy(), np.broadcast_to(x.detach().numpy(), (2, 3, 4)))


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_cross_entropy_of_rows_of_thousands(dtype):
    logits = mg.tensor([[1000.0, 2000.0, 3000.0], [-5000.0, 0.0, -9000.0]], dtype=dtype, requires_grad=True)
    loss = F.cross_entropy(logits, mg.tensor([1, 1]))
    loss.backward()
    assert loss.item() == 500
    assert logits.grad.tolist() == [[0, -0.5, 0.5], [0, 0, 0]]


def test_max_pool_with_padding_of_negative_input():
    x = mg.full((1, 1, 3, 3), -7.0, dtype=mg.float64, requires_grad=True)
    y = F.max_pool2d(x, 3, stride=2, padding=1)
    assert y.tolist() == [[[[-7, -7], [-7, -7]]]]
    y.sum().backward()
    assert x.grad.sum().item() == 4


def test_batch_norm_backward_in_evaluation():
    x, weight, bias = normal(4, 3), normal(3, seed=1), normal(3, seed=2)
    mean, var = mg.tensor([1.0, -1.0, 0.5], dtype=mg.float64), mg.tensor([4.0, 0.25, 1.0], dtype=mg.float64)
    F.batch_norm(x, mean, var, weight, bias, eps=0.0).sum().backward()
    # The statistics are constants here: the derivative is a plain scale.
    scale = weight.detach().numpy() / np.sqrt(var.numpy())
    np.testing.assert_allclose(x.grad.numpy(), np.broadcast_to(scale, (4, 3)))
    centred = (x.detach().numpy() - mean.numpy()) / np.sqrt(var.numpy())
    np.testing.assert_allclose(weight.grad.numpy(), centred.sum(0))
    assert bias.grad.tolist() == [4, 4, 4]


def test_batch_norm_second_derivative():
    inputs = normal(3, 2, 2), normal(2, seed=1), normal(2, seed=2)

    def batch_norm(x, weight, bias):
        return F.batch_norm(x, None, None, weight, bias, training=True)

    assert gradgradcheck(batch_norm, inputs)
    (gradient,) = mg.autograd.grad((batch_norm(*inputs) ** 3).sum(), inputs[0], create_graph=True)
    assert gradient.requires_grad


def test_pooling_ties_go_to_the_first():
    x = mg.zeros(1, 1, 2, 4, dtype=mg.float64, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]]]]


@pytest.mark.parametrize(
    "first, second",
    [((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 4)),
     ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (3,)), ((0, 2, 3), (3, 4)), ((2, 0), (0, 3))],
)  # fmt: skip
def test_batched_matmul_shapes(first, second):
    x, y = normal(*first), normal(*second, seed=1)
    product = x @ y
    np.testing.assert_allclose(product.detach().numpy(), np.matmul(x.detach().numpy(), y.detach().numpy()))
    product.sum().backward()
    assert x.grad.shape == first and y.grad.shape == second
    assert gradcheck(mg.matmul, (x, y))


def test_float32_loss_gives_float32_gradients():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    loss = F.cross_entropy(model(mg.randn(4, 1, 4, 4)), mg.tensor([0, 1, 2, 0])) * np.float64(2) / 3
    assert loss.dtype == mg.float32
    loss.backward()
    assert {parameter.grad.dtype for parameter in model.parameters()} == {np.dtype("float32")}


def test_kernel_larger_than_its_input():
    with pytest.raises(RuntimeError, match=r"conv2d: .*padded input size per channel: \(2 x 5\).*\(3 x 3\)"):
        F.conv2d(mg.zeros(1, 1, 2, 5), mg.zeros(1, 1, 3, 3))
    with pytest.raises(RuntimeError, match="max_pool2d: .*Output size is too small"):
        F.max_pool2d(mg.zeros(1, 1, 2, 5), 3)
    assert F.conv2d(mg.zeros(1, 1, 2, 5), mg.zeros(1, 1, 3, 3), padding=(1, 0)).shape == (1, 1, 2, 3)


def test_saved_value_written_before_backward():
    x = leaf(1.0, 2.0)
    y = x * 1
    loss = (y * y).sum()
    with mg.no_grad():
        y.mul_(10)
    with pytest.raises(RuntimeError, match="MulBackward0.*modified by an inplace operation"):
        loss.backward()
    assert x.grad is None


def run_python(program: str, **environment: str) -> str:
    """What a program prints in an interpreter of its own."""
    finished = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return finished.stdout


MODEL = """
import hashlib
import minigrad as mg
from minigrad import nn
mg.set_num_threads({threads})
mg.manual_seed(3)
branches = nn.ModuleDict({{"b": nn.Linear(3, 2), "a": nn.Linear(2, 2)}})
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), branches)
mask = nn.functional.dropout(mg.ones(1000, 300), 0.3)
for name, tensor in [*model.state_dict().items(), ("mask", mask)]:
    print(name, tensor.shape, hashlib.sha256(tensor.numpy().tobytes()).hexdigest())
"""


def test_parameter_order_and_weights_under_two_hash_seeds():
    first, second = (run_python(MODEL.format(threads=1), PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert [line.split()[0] for line in first.splitlines()][-5:] == [
        "2.b.weight",
        "2.b.bias",
        "2.a.weight",
        "2.a.bias",
        "mask",
    ]


def test_same_seed_same_numbers_under_one_and_two_threads():
    assert run_python(MODEL.format(threads=1)) == run_python(MODEL.format(threads=2))


def test_chain_100_000_nodes_deep():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]
    del y  # neither is the graph dropped by recursion


def test_backward_twice_through_a_shared_node():
    x = leaf(2.0)
    shared = x**2
    first, second = shared * 3, shared**2
    first.backward(retain_graph=True)
    assert x.grad.tolist() == [12]
    second.backward()
    assert x.grad.tolist() == [12 + 32]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        first.backward()
    assert x.grad.tolist() == [12 + 32]


@pytest.mark.parametrize("size, kernel, stride, padding", [(7, 2, 2, 0), (8, 3, 2, 0), (6, 3, 4, 1), (5, 2, 3, 0)])
def test_convolution_sizes_that_do_not_divide(size, kernel, stride, padding):
    x, weight = normal(1, 1, size, size), normal(1, 1, kernel, kernel, seed=1)
    y = F.conv2d(x, weight, stride=stride, padding=padding)
    expected = math.floor((size + 2 * padding - kernel) / stride) + 1
    assert y.shape == (1, 1, expected, expected)
    y.sum().backward()
    assert x.grad.shape == x.shape
    # What no window reaches has no gradient.
    reach = (expected - 1) * stride + kernel - padding
    assert not x.grad.numpy()[0, 0, reach:].any() and not x.grad.numpy()[0, 0, :, reach:].any()


def test_norm_at_zero():
    x = leaf(0.0, 0.0)
    x.norm().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    "function, at, slope",
    [
        (F.relu, 0.0, 0.0),
        (mg.abs, 0.0, 0.0),
        (mg.sqrt, 0.0, math.inf),
        (lambda x: mg.clamp(x, min=0), 0.0, 1.0),
        (lambda x: mg.maximum(x, mg.zeros(1, dtype=mg.float64)), 0.0, 0.5),
    ],
    ids=["relu", "abs", "sqrt", "clamp", "maximum"],
)
def test_slopes_at_kinks_are_pytorchs(function, at, slope):
    x = leaf(at)
    with np.errstate(divide="ignore"):
        function(x).sum().backward()
    assert x.grad.tolist() == [slope]


def test_ties_of_max_are_pytorchs():
    for reduce, gradient in (
        (lambda x: x.max(), [0.5, 0.5, 0]),
        (lambda x: x.amax(0), [0.5, 0.5, 0]),
        (lambda x: x.max(dim=0).values, [1, 0, 0]),
    ):
        x = leaf(2.0, 2.0, 1.0)
        reduce(x).backward()
        assert x.grad.tolist() == gradient


def test_cross_entropy_over_none_is_nan_and_ignores_minus_100():
    logits = normal(2, 3)
    assert math.isnan(F.cross_entropy(logits, mg.tensor([-100, -100])).item())
    loss = F.cross_entropy(logits, mg.tensor([-100, 2]))
    np.testing.assert_allclose(loss.item(), -special.log_softmax(logits.detach().numpy()[1])[2])
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        F.cross_entropy(logits, mg.tensor([5, 0]))


def test_batch_norms_two_variances():
    x = normal(5, 2).detach()
    layer = nn.BatchNorm1d(2, momentum=1.0).double()
    y = layer(x)
    np.testing.assert_allclose(y.detach().numpy().var(0), 1, rtol=1e-4)  # normalised with the biased one
    np.testing.assert_allclose(layer.running_var.numpy(), x.numpy().var(0, ddof=1))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(x[:1])
