"""Reductions: accuracy, layouts, corners. Values and gradients of ordinary calls are in the catalogue."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.ops.reduction import SMALL, sum_array


@st.composite
def arrays_and_dims(draw):
    """A float64 array in any layout, large enough for sums in blocks or not, and dims to sum over."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 7, 64, 1300]), min_size=1, max_size=4))
    while np.prod(shape) > 300_000:
        shape[int(np.argmax(shape))] = 5
    order = draw(st.permutations(range(len(shape))))
    array = np.random.default_rng(0).standard_normal(shape).transpose(order)
    for d in range(array.ndim):
        if draw(st.booleans()):
            array = np.flip(array, d)
    dims = draw(st.lists(st.sampled_from(range(array.ndim)), unique=True))
    return array, tuple(dims)


@settings(max_examples=60, deadline=None)
@given(arrays_and_dims(), st.booleans())
def test_sum_of_any_layout(case, keepdim):
    array, dims = case
    result = sum_array(array, dims, keepdim)
    expected = array.sum(dims, keepdims=keepdim)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1)])
def test_long_float32_sums_keep_their_digits(dims):
    array = (np.random.default_rng(0).standard_normal((60_000, 7)) + 100).astype(np.float32)
    for layout in (array, np.asfortranarray(array), np.broadcast_to(np.float32(0.1), (60_000, 7))):
        exact = layout.astype(np.float64).sum(dims)
        np.testing.assert_allclose(sum_array(layout, dims), exact, rtol=3e-6)
    assert array.size > SMALL


def test_variance_with_a_large_mean():
    array = (np.random.default_rng(0).standard_normal((40_000, 2)) + 1000).astype(np.float32)
    result = mg.from_numpy(array).var(0).numpy()
    np.testing.assert_allclose(result, array.astype(np.float64).var(0, ddof=1), rtol=1e-4)


def test_running_sum_of_float32_keeps_its_digits():
    array = np.full(1_000_000, 0.1, np.float32)
    assert mg.from_numpy(array).cumsum(0)[-1].item() == pytest.approx(1_000_000 * float(array[0]), rel=1e-6)


def test_float16_is_summed_in_float32():
    total = mg.from_numpy(np.ones((4096, 3), np.float16)).sum(0)
    assert total.dtype == mg.float16
    assert total.tolist() == [4096, 4096, 4096]


@pytest.mark.parametrize("dtype", [mg.uint8, mg.int32, mg.int64, np.dtype(bool)])
def test_integers_are_reduced_as_int64(dtype):
    x = mg.from_numpy(np.ones((200, 3), dtype))
    for reduced in (x.sum(), x.sum(0), x.prod(), x.prod(0), x.cumsum(0), mg.count_nonzero(x)):
        assert reduced.dtype == mg.int64
    assert x.sum().item() == 600
    assert x.sum(dtype=mg.int32).dtype == x.prod(dtype=mg.int32).dtype == mg.int32
    assert x.sum(dtype=mg.float64).dtype == mg.float64


@pytest.mark.parametrize("shape, dim", [((0, 3), 0), ((3, 0), 0), ((0,), None), ((2, 0), 1)])
def test_reductions_of_nothing(shape, dim):
    x, a = mg.zeros(shape), np.zeros(shape, np.float32)
    assert np.array_equal(x.sum(dim).numpy(), a.sum(dim))
    assert np.array_equal(x.prod(dim).numpy(), a.prod(dim))
    assert np.array_equal(x.any(dim).numpy(), a.any(dim))
    assert np.array_equal(x.all(dim).numpy(), a.all(dim))
    assert np.array_equal(x.norm(dim=dim).numpy(), np.sqrt((a * a).sum(dim)))
    dims = range(len(shape)) if dim is None else dim
    with np.errstate(divide="ignore"):
        assert np.array_equal(x.logsumexp(dims).numpy(), np.log(np.exp(a).sum(dim)))
    expected_mean = np.full(a.sum(dim).shape, np.nan if 0 in (shape if dim is None else [shape[dim]]) else 0)
    np.testing.assert_array_equal(x.mean(dim).numpy(), expected_mean)


def test_scalars_are_reduced_over_dim_0():
    x = mg.tensor(3.0, requires_grad=True)
    for reduced in (x.sum(0), x.mean(-1), x.prod(0), x.cumsum(0), x.logsumexp(0), x.norm(dim=0), x.sum([0])):
        assert reduced.shape == ()
        assert reduced.item() == pytest.approx(3)
        (gradient,) = mg.autograd.grad(reduced, x)
        assert gradient.item() == pytest.approx(1)


def test_norms_are_0_with_derivative_0_at_0():
    for p in (0, 0.5, 1, 1.5, 2, 3, float("inf"), "fro"):
        x = mg.zeros(4, requires_grad=True)
        result = x.norm(p)
        result.backward()
        assert result.item() == 0
        assert x.grad.tolist() == [0, 0, 0, 0]


def test_standard_deviation_of_equal_values_has_derivative_0():
    x = mg.full((5,), 2.0).requires_grad_()
    x.std().backward()
    assert x.grad.tolist() == [0] * 5


def test_logsumexp_of_huge_and_infinite_values():
    x = mg.tensor([[1000.0, 1000.0], [-1000.0, -1001.0], [-np.inf, 0.0], [np.inf, 1.0], [-np.inf, -np.inf]])
    expected = [1000 + np.log(2), -1000 + np.log1p(np.exp(-1)), 0, np.inf, -np.inf]
    np.testing.assert_allclose(x.logsumexp(1).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("zeros", [(), (1,), (1, 3)])
def test_product_and_its_derivatives_around_zeros(zeros):
    values = np.array([2.0, -3.0, 0.5, 4.0, -1.5])
    values[list(zeros)] = 0
    x = mg.from_numpy(values).requires_grad_()
    (gradient,) = mg.autograd.grad(x.prod(), x, create_graph=True)
    others = [np.prod(np.delete(values, i)) for i in range(5)]
    np.testing.assert_allclose(gradient.detach().numpy(), others)
    for i in range(5):
        (second,) = mg.autograd.grad(gradient[i], x, retain_graph=True)
        expected = [0 if i == j else np.prod(np.delete(values, [i, j])) for j in range(5)]
        np.testing.assert_allclose(second.numpy(), expected)


def test_variance_by_divisors():
    values = np.random.default_rng(0).standard_normal((4, 5))
    x = mg.from_numpy(values)
    np.testing.assert_allclose(x.var(unbiased=False).item(), values.var())
    np.testing.assert_allclose(x.var(False).item(), values.var())
    np.testing.assert_allclose(x.var(1, False).numpy(), values.var(1))
    np.testing.assert_allclose(x.var(0, keepdim=True).numpy(), values.var(0, ddof=1, keepdims=True))
    np.testing.assert_allclose(x.std(dim=(0, 1), correction=3).item(), values.std(ddof=3))
    assert np.isnan(mg.tensor([1.0]).var().item())


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: x.sum(2), IndexError, "out of range"),
        (lambda x: x.sum((0, 0)), RuntimeError, "multiple times"),
        (lambda x: x.sum("a"), TypeError, "dim"),
        (lambda x: x.long().mean(), RuntimeError, "floating"),
        (lambda x: x.long().std(), RuntimeError, "floating"),
        (lambda x: x.long().norm(), RuntimeError, "floating"),
        (lambda x: x.norm("nuc"), RuntimeError, "nuc"),
        (lambda x: mg.zeros(0).norm(float("inf")), RuntimeError, "no elements"),
        (lambda x: x.var(0, False, correction=1), TypeError, "correction"),
        (lambda x: x.logsumexp(None), TypeError, "dim"),
        (lambda x: mg.sum([1, 2]), TypeError, "Tensor"),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(mg.ones(2, 3))


def test_reductions_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((3, 4, 2))
    values[1, 2] = 0
    calls = [
        lambda x, dim, keepdim: x.sum(dim, keepdim),
        lambda x, dim, keepdim: x.mean(dim, keepdim),
        lambda x, dim, keepdim: x.var(dim, correction=0, keepdim=keepdim),
        lambda x, dim, keepdim: x.std(dim, keepdim=keepdim),
        lambda x, dim, keepdim: x.logsumexp(dim, keepdim),
        *[lambda x, dim, keepdim, p=p: x.norm(p, dim, keepdim) for p in (1, 1.5, 2, 3, 0.5, float("inf"))],
    ]
    for call, dim, keepdim in itertools.product(calls, [0, -1, (0, 2), (0, 1, 2)], [False, True]):
        ours, theirs = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        result, expected = call(ours, dim, keepdim), call(theirs, dim, keepdim)
        np.testing.assert_allclose(result.detach().numpy(), expected.detach().numpy(), rtol=1e-10)
        weights = np.random.default_rng(1).standard_normal(result.shape)
        result.backward(mg.tensor(weights))
        expected.backward(torch.tensor(weights))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)
