"""Choosing by size: ties, NaN, order, what nothing can be chosen from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg

NAN = float("nan")


def gradient(function, values):
    x = mg.tensor(values, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


def test_extremes_share_ties_evenly_and_those_of_a_dim_take_the_first():
    values = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    third = np.float32(1 / 3).item()
    assert gradient(lambda x: x.max(), values) == [[0, 0.5, 0.5], [0, 0, 0]]
    assert gradient(lambda x: x.amax(), values) == [[0, 0.5, 0.5], [0, 0, 0]]
    assert gradient(lambda x: x.amax(1), values) == [[0, 0.5, 0.5], [third] * 3]
    assert gradient(lambda x: x.amin((0, 1)), values) == [[1, 0, 0], [0, 0, 0]]
    assert gradient(lambda x: x.max(1).values, values) == [[0, 1, 0], [1, 0, 0]]
    assert gradient(lambda x: x.min(1)[0], values) == [[1, 0, 0], [1, 0, 0]]
    assert gradient(lambda x: x.max(mg.full((2, 3), 2.0)), values) == [[0, 1, 1], [0.5, 0.5, 0.5]]


def test_nan_is_the_extreme():
    x = mg.tensor([[1.0, NAN, 3.0], [2.0, 0.0, 1.0]])
    for extreme in (x.max(), x.min(), x.amax(), x.amin()):
        assert np.isnan(extreme.item())
    values, indices = x.max(1)
    np.testing.assert_array_equal(values.numpy(), [NAN, 2])
    assert indices.tolist() == [1, 0] == x.argmax(dim=1).tolist()
    assert x.min(dim=1).indices.tolist() == [1, 1] == x.argmin(1).tolist()
    assert x.argmax().item() == 1


def test_names_and_shapes_of_what_is_chosen():
    x = mg.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 4)))
    chosen = x.max(dim=1, keepdim=True)
    assert chosen._fields == ("values", "indices")
    assert chosen.values.shape == chosen.indices.shape == (2, 1, 4)
    assert chosen.indices.dtype == mg.int64
    assert not chosen.indices.requires_grad
    np.testing.assert_array_equal(x.max(1).values.numpy(), x.numpy().max(1))
    np.testing.assert_array_equal(x.amin((0, -1), True).numpy(), x.numpy().min((0, 2), keepdims=True))
    assert x.argmax(keepdim=True).shape == (1, 1, 1)


def test_scalars_and_booleans():
    x = mg.tensor(2.0)
    for chosen in (x.max(0), x.min(-1), x.sort(), x.topk(1)):
        assert (chosen.values.item(), chosen.indices.item(), chosen.values.shape) == (2, 0, ())
    b = mg.tensor([[True, False], [True, True]])
    assert b.max(1).values.tolist() == [True, True]
    assert b.min(1).values.tolist() == [False, True]
    assert b.amax(0).tolist() == [True, True]
    assert b.sort(1).values.tolist() == [[False, True], [True, True]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, NAN, np.inf, -np.inf]), min_size=1, max_size=12),
    st.booleans(),
    st.data(),
)
def test_sorting_is_stable_and_puts_nan_as_the_largest(values, descending, data):
    keys = [np.nextafter(np.inf, 0) if v == np.inf else np.inf if v != v else v for v in values]
    order = sorted(range(len(values)), key=lambda i: (-keys[i] if descending else keys[i], i))
    x = mg.tensor(values, dtype=mg.float64)
    ordered, indices = x.sort(descending=descending)
    assert indices.tolist() == order == mg.argsort(x, descending=descending).tolist()
    np.testing.assert_array_equal(ordered.numpy(), np.array(values)[order])
    k = data.draw(st.integers(0, len(values)))
    assert x.topk(k, largest=descending).indices.tolist() == order[:k]


def test_gradients_go_where_the_elements_came_from():
    weights = mg.tensor([[1.0, 2.0, 3.0]])
    assert gradient(lambda x: x.sort(1).values * weights, [[5.0, -1.0, 2.0]]) == [[3, 1, 2]]
    assert gradient(lambda x: x.topk(2, 1).values * weights[:, :2], [[5.0, -1.0, 2.0]]) == [[1, 0, 2]]


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: mg.zeros(0).max(), RuntimeError, "dim"),
        (lambda: mg.zeros(0, 3).amax(), RuntimeError, "dim"),
        (lambda: mg.zeros(0, 3).max(0), IndexError, "non-zero size"),
        (lambda: mg.zeros(0, 3).amin(0), IndexError, "non-zero size"),
        (lambda: mg.zeros(0, 3).argmax(), IndexError, "dim"),
        (lambda: mg.zeros(0, 3).argmin(0), IndexError, "non-zero size"),
        (lambda: mg.tensor([True]).argmax(), RuntimeError, "bool"),
        (lambda: mg.zeros(3).topk(4), RuntimeError, "out of range"),
        (lambda: mg.zeros(3).sort(2), IndexError, "out of range"),
        (lambda: mg.zeros(3).max(1), IndexError, "out of range"),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_empty_dimension_beside_the_reduced_one_is_fine():
    assert mg.zeros(0, 3).max(1).values.shape == (0,)
    assert mg.zeros(0, 3).amax(1).shape == mg.zeros(0, 3).argmin(1).shape == (0,)
