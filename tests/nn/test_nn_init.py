"""Initial values: the distributions that the formulas promise, and PyTorch's gains and refusals."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import Parameter, init


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def values(tensor):
    return tensor.detach().numpy()


GAINS = [
    ("linear", None, 1),
    ("conv2d", None, 1),
    ("conv_transpose3d", None, 1),
    ("sigmoid", None, 1),
    ("tanh", None, 5 / 3),
    ("relu", None, math.sqrt(2)),
    ("leaky_relu", None, math.sqrt(2 / 1.0001)),
    ("leaky_relu", 0.5, math.sqrt(2 / 1.25)),
    ("leaky_relu", 1, 1),
    ("selu", None, 0.75),
]


@pytest.mark.parametrize(("name", "param", "gain"), GAINS)
def test_gains(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain)


@pytest.mark.parametrize(("name", "param", "gain"), GAINS)
def test_gains_equal_pytorchs(name, param, gain):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


# A call on a weight (64, 32, 3, 3) and the standard deviation that it promises; fan_in 288, fan_out 576.
UNIFORM = [
    (lambda t: init.uniform_(t, -2, 2), 2 / math.sqrt(3)),
    (lambda t: init.xavier_uniform_(t), math.sqrt(2 / 864)),
    (lambda t: init.xavier_uniform_(t, gain=3), 3 * math.sqrt(2 / 864)),
    (lambda t: init.kaiming_uniform_(t), math.sqrt(2 / 288)),
    (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), math.sqrt(1 / 3 / 288)),
    (lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 576)),
]
NORMAL = [
    (lambda t: init.normal_(t, std=3), 3),
    (lambda t: init.xavier_normal_(t, 2), 2 * math.sqrt(2 / 864)),
    (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="tanh"), 5 / 3 / math.sqrt(576)),
]


@pytest.mark.parametrize(("fill", "std"), UNIFORM)
def test_uniform_fills(fill, std):
    weight = Parameter(mg.empty(64, 32, 3, 3))
    assert fill(weight) is weight and weight.is_leaf and weight.requires_grad
    filled, bound = values(weight), std * math.sqrt(3)
    assert np.abs(filled).max() <= bound and np.abs(filled).max() > 0.99 * bound
    assert filled.std() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize(("fill", "std"), NORMAL)
def test_normal_fills(fill, std):
    weight = Parameter(mg.empty(64, 32, 3, 3))
    assert fill(weight) is weight and weight.is_leaf
    filled = values(weight)
    assert filled.std() == pytest.approx(std, rel=0.03)
    assert abs(filled.mean()) < 0.03 * std
    assert np.mean(np.abs(filled) > 2 * std) == pytest.approx(0.0455, abs=0.01)  # 1 - erf(sqrt 2)


def test_constants():
    tensor = mg.empty(2, 3)
    assert (values(init.ones_(tensor)) == 1).all()
    assert (values(init.zeros_(tensor)) == 0).all()
    assert (values(init.constant_(tensor, 2.5)) == 2.5).all()
    assert np.array_equal(values(init.eye_(tensor)), np.eye(2, 3))


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3, 4), 2), ((3, 5, 3), 1), ((5, 3, 2, 3, 3), 1)])
def test_dirac_equals_pytorchs(shape, groups):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.init.dirac_(torch.empty(shape), groups)
    assert np.array_equal(values(init.dirac_(mg.empty(shape), groups)), theirs.numpy())


def test_dirac_passes_the_image_on():
    x = mg.randn(2, 3, 5, 5)
    weight = init.dirac_(mg.empty(3, 3, 3, 3))
    y = mg.nn.functional.conv2d(x, weight, padding=1)
    np.testing.assert_allclose(y.numpy(), x.numpy(), atol=1e-6)


def test_trunc_normal_has_the_truncated_moments():
    from scipy.stats import truncnorm

    mean, std, a, b = 1.0, 2.0, -1.0, 2.5
    filled = values(init.trunc_normal_(mg.empty(200, 200, dtype=mg.float64), mean, std, a, b))
    assert filled.min() >= a and filled.max() <= b
    wanted = truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert filled.mean() == pytest.approx(wanted.mean(), abs=0.02)
    assert filled.std() == pytest.approx(wanted.std(), rel=0.02)


def test_trunc_normal_far_in_the_tail():
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        filled = values(init.trunc_normal_(mg.empty(1000), 0.0, 1.0, 5.0, 6.0))
    assert ((filled >= 5) & (filled <= 6)).all() and filled.std() > 0.1


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (8, 2, 3), (3, 4, 2, 2)])
def test_orthogonal_rows_or_columns(shape):
    tensor = mg.empty(shape, dtype=mg.float64)
    matrix = values(init.orthogonal_(tensor, gain=2)).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-10)


def test_sparse_zeroes_a_fraction_of_each_column():
    filled = values(init.sparse_(mg.empty(50, 40), sparsity=0.3, std=0.1))
    assert ((filled == 0).sum(axis=0) == 15).all()
    assert len({tuple(column) for column in (filled == 0).T}) > 1
    assert filled[filled != 0].std() == pytest.approx(0.1, rel=0.1)


def test_a_generator_of_ones_own_decides():
    def draw(seed):
        generator = mg.Generator().manual_seed(seed)
        return [
            values(fill(mg.empty(4, 5), generator=generator))
            for fill in (
                init.uniform_,
                init.normal_,
                init.trunc_normal_,
                init.xavier_uniform_,
                init.xavier_normal_,
            )
            + (init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_)
        ]

    assert all(np.array_equal(a, b) for a, b in zip(draw(3), draw(3), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(draw(3), draw(4), strict=True))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: init.calculate_gain("softplus"), "Unsupported nonlinearity softplus"),
        (lambda: init.calculate_gain("leaky_relu", "a"), "negative_slope a not a valid number"),
        (lambda: init.calculate_gain("leaky_relu", True), "negative_slope True not a valid number"),
        (lambda: init.xavier_uniform_(mg.empty(3)), "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(mg.empty(3, 4), mode="fan"), "Mode fan not supported"),
        (lambda: init.eye_(mg.empty(3)), "Only tensors with 2 dimensions"),
        (lambda: init.dirac_(mg.empty(3, 4)), "Only tensors with 3, 4, or 5 dimensions"),
        (lambda: init.dirac_(mg.empty(3, 4, 2), groups=2), "dim 0 must be divisible by groups"),
        (lambda: init.orthogonal_(mg.empty(3)), "Only tensors with 2 or more dimensions"),
        (lambda: init.sparse_(mg.empty(3, 4, 2), 0.1), "Only tensors with 2 dimensions"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
