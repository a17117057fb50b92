"""Random tensors: what is drawn, from which part of the stream, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels.philox import reference
from minigrad.ops import random as random_ops

DRAWS = {
    "rand": lambda g: mg.rand(7, generator=g),
    "rand float64": lambda g: mg.rand(3, 3, dtype=mg.float64, generator=g),
    "randn": lambda g: mg.randn(7, generator=g),
    "randn float64": lambda g: mg.randn(5, dtype=mg.float64, generator=g),
    "rand_like": lambda g: mg.rand_like(mg.zeros(2, 3), generator=g),
    "randn_like": lambda g: mg.randn_like(mg.zeros(2, 3), generator=g),
    "randint": lambda g: mg.randint(1000, (5,), generator=g),
    "randperm": lambda g: mg.randperm(50, generator=g),
    "bernoulli": lambda g: mg.bernoulli(mg.full((40,), 0.5), generator=g),
    "normal": lambda g: mg.normal(mg.zeros(3), 2.0, generator=g),
    "multinomial": lambda g: mg.multinomial(mg.ones(50), 20, generator=g),
    "uniform_": lambda g: mg.zeros(5).uniform_(-1, 1, generator=g),
    "normal_": lambda g: mg.zeros(5).normal_(1, 2, generator=g),
    "bernoulli_": lambda g: mg.zeros(40).bernoulli_(0.3, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_numbers_and_two_draws_differ(name):
    draw = DRAWS[name]
    generator = mg.Generator().manual_seed(3)
    first, state = draw(generator), generator.get_state()
    second = draw(generator)
    assert not mg.equal(first, second)
    assert mg.equal(draw(generator.manual_seed(3)), first)
    assert mg.equal(draw(generator.set_state(state)), second)
    assert not mg.equal(draw(mg.Generator().manual_seed(4)), first)
    mg.manual_seed(3)
    assert mg.equal(draw(None), first)


def test_draws_use_consecutive_parts_of_the_stream():
    generator = mg.Generator().manual_seed(11)
    parts = [
        mg.rand(4, generator=generator),
        mg.rand(5, generator=generator),
        mg.rand(4, generator=generator),
    ]
    whole = reference.uniform(16, 11, 0, np.float32)  # the five took two blocks of four
    np.testing.assert_array_equal(parts[0].numpy(), whole[:4])
    np.testing.assert_array_equal(parts[1].numpy(), whole[4:9])
    np.testing.assert_array_equal(parts[2].numpy(), whole[12:])


@pytest.mark.parametrize("draw", [mg.rand, mg.randn, mg.randperm])
def test_large_draws_are_the_reference_too(draw, monkeypatch):
    mg.manual_seed(5)
    compiled = draw(random_ops.LARGE)
    monkeypatch.setattr(random_ops, "LARGE", 1 << 62)
    mg.manual_seed(5)
    assert mg.equal(draw(compiled.numel()), compiled)


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_distributions(dtype):
    mg.manual_seed(0)
    n = 100_000
    uniform, normal = mg.rand(n, dtype=dtype).numpy(), mg.randn(n, dtype=dtype).numpy()
    assert uniform.dtype == normal.dtype == dtype
    assert uniform.min() >= 0
    assert uniform.max() < 1
    # n values of variance v have a mean of variance v / n: five standard deviations are allowed.
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert abs(normal.mean()) < 5 / n**0.5
    assert abs((normal**2).mean() - 1) < 5 * (2 / n) ** 0.5
    assert abs((normal**3).mean()) < 5 * (15 / n) ** 0.5
    assert np.abs(np.histogram(uniform, 20, (0, 1))[0] - n / 20).max() < 5 * (n / 20) ** 0.5


def test_integers():
    mg.manual_seed(0)
    counts = np.bincount(mg.randint(2, 9, (70_000,)).numpy())
    assert counts[:2].tolist() == [0, 0]
    assert len(counts) == 9
    assert np.abs(counts[2:] - 10_000).max() < 500
    wide = mg.randint(-(2**63), 2**63 - 1, (1000,)).numpy()
    assert wide.min() < -(2**62)
    assert wide.max() > 2**62
    assert set(mg.randint(-3, 0, (100,)).tolist()) == {-3, -2, -1}
    assert mg.randint(3, size=(2, 2), dtype=mg.uint8).dtype == mg.uint8
    assert mg.randint(high=3, size=()).shape == ()
    assert mg.randint(5, (3,), dtype=mg.float32).dtype == mg.float32


def test_scaling_of_words_is_exact():
    words = np.array([0, 1, 2**63, 2**64 - 1, 0x123456789ABCDEF0], np.uint64)
    for n in (1, 2, 7, 2**32 - 1, 2**32, 2**40 + 3, 2**64 - 1):
        expected = [int(word) * n >> 64 for word in words.tolist()]
        assert random_ops._high_product(words, n).tolist() == expected


def test_permutations():
    mg.manual_seed(0)
    for n in (0, 1, 2, 1000):
        assert sorted(mg.randperm(n).tolist()) == list(range(n))
    firsts = np.bincount([mg.randperm(4)[0].item() for _ in range(2000)], minlength=4)
    assert np.abs(firsts - 500).max() < 110
    assert mg.randperm(3, dtype=mg.int32).dtype == mg.int32


def test_bernoulli():
    mg.manual_seed(0)
    p = mg.tensor([0.0, 0.25, 1.0]).expand(20_000, 3)
    mean = mg.bernoulli(p).mean(0).tolist()
    assert mean[0] == 0
    assert mean[2] == 1
    assert mean[1] == pytest.approx(0.25, abs=0.02)
    assert mg.zeros(20_000, dtype=mg.int64).bernoulli_(0.75).double().mean().item() == pytest.approx(0.75, abs=0.02)
    assert mg.zeros(3).bernoulli_(mg.tensor([0.0, 1.0, 0.0])).tolist() == [0, 1, 0]
    assert mg.zeros(3).bernoulli(1).tolist() == [1, 1, 1]


def test_multinomial():
    mg.manual_seed(0)
    weights = mg.tensor([1.0, 0.0, 3.0])
    drawn = mg.multinomial(weights, 20_000, replacement=True).numpy()
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.25, 0, 0.75], atol=0.02)
    assert sorted(mg.multinomial(weights, 2).tolist()) == [0, 2]
    assert mg.multinomial(mg.ones(4, 6), 3).shape == mg.multinomial(mg.ones(4, 6), 3, True).shape == (4, 3)
    first = np.bincount([mg.multinomial(weights, 2)[0].item() for _ in range(2000)], minlength=3)
    np.testing.assert_allclose(first / 2000, [0.25, 0, 0.75], atol=0.06)


def test_fills_write_in_place():
    mg.manual_seed(0)
    base = mg.zeros(4, 6)
    view = base[:, ::2]
    assert view.uniform_(2, 3) is view
    assert ((base[:, ::2] >= 2) & (base[:, ::2] <= 3)).all()
    assert not base[:, 1::2].any()
    parameter = mg.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="in-place"):
        parameter.normal_()
    with mg.no_grad():
        parameter.normal_(5, 0)
    assert parameter.tolist() == [5, 5, 5]
    squared = (parameter * parameter).sum()
    with mg.no_grad():
        parameter.uniform_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.backward()


def test_a_refused_fill_draws_nothing():
    generator = mg.Generator()
    before = generator.get_state()
    with pytest.raises(RuntimeError):
        mg.zeros(3, requires_grad=True).normal_(generator=generator)
    assert mg.equal(generator.get_state(), before)


def test_shapes_and_options():
    assert mg.rand(2, 3).shape == mg.randn((2, 3)).shape == (2, 3)
    assert mg.rand(()).shape == mg.randn(()).shape == ()
    assert mg.rand(0, 3).shape == mg.randn(0, 3).shape == (0, 3)
    assert mg.randn(2, requires_grad=True).requires_grad
    assert mg.rand_like(mg.zeros(2, dtype=mg.float64)).dtype == mg.float64
    assert mg.randn_like(mg.zeros(2), dtype=mg.float64).dtype == mg.float64
    assert mg.rand(2, dtype=mg.float16).dtype == mg.float16
    assert mg.normal(0.0, 1.0, (2, 2)).shape == (2, 2)
    assert mg.normal(mg.zeros(3, 1), mg.ones(2)).shape == (3, 2)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: mg.rand(2, dtype=mg.int64), RuntimeError, "floating"),
        (lambda: mg.randn_like(mg.zeros(2, dtype=mg.int64)), RuntimeError, "floating"),
        (lambda: mg.rand(-1), RuntimeError, "negative"),
        (lambda: mg.rand(2, generator=3), TypeError, "Generator"),
        (lambda: mg.randint(5, 3, (2,)), RuntimeError, "low"),
        (lambda: mg.randint(0, (2,)), RuntimeError, "low"),
        (lambda: mg.randint(5), TypeError, "size"),
        (lambda: mg.randint(300, (2,), dtype=mg.uint8), RuntimeError, "does not fit"),
        (lambda: mg.randperm(-1), RuntimeError, "non-negative"),
        (lambda: mg.bernoulli(mg.tensor([0, 1])), RuntimeError, "floating"),
        (lambda: mg.bernoulli(mg.tensor([0.5, 2.0])), RuntimeError, "2.0"),
        (lambda: mg.zeros(2).bernoulli_(float("nan")), RuntimeError, "nan"),
        (lambda: mg.zeros(2).uniform_(2, 1), RuntimeError, "from=2 > to=1"),
        (lambda: mg.zeros(2).normal_(0, -1), RuntimeError, "std"),
        (lambda: mg.normal(mg.zeros(2), -1.0), RuntimeError, "std"),
        (lambda: mg.normal(0.0, 1.0), TypeError, "size"),
        (lambda: mg.zeros(2, dtype=mg.int64).uniform_(), RuntimeError, "floating"),
        (lambda: mg.multinomial(mg.tensor([1.0, 0.0]), 2), RuntimeError, "1 nonzero"),
        (lambda: mg.multinomial(mg.tensor([1.0, -1.0]), 1), RuntimeError, "non-negative"),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
