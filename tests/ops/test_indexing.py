"""Reading and writing by index: NumPy and PyTorch are the judges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import gradcheck, gradgradcheck

INDICES = {
    "int": 1,
    "negative int": -1,
    "slices": (slice(None, None, 2), slice(1, -1)),
    "None and Ellipsis": (None, Ellipsis, 0, None),
    "empty slice": slice(2, 2),
    "empty tuple": (),
    "list": [2, 0, 2],
    "empty list": [],
    "negative positions": ([-1, 0], [-2, 1]),
    "broadcast positions": ([[0], [2]], [0, 3, 3]),
    "separated": ([0, 2], slice(None), [1, 1]),
    "adjacent": (slice(None), [0, 2], [1, 1]),
    "adjacent, two dimensions": (slice(1, None), [[0, 2], [3, 3]]),
    "slice and positions": (slice(None, None, 2), None, [0, 0, 1]),
    "mask": np.arange(12).reshape(3, 4) % 3 == 0,
    "mask of the first dimension": np.array([True, False, True]),
    "mask of the last dimensions": (1, np.arange(20).reshape(4, 5) % 2 == 0),
    "mask and positions": (np.array([True, False, True]), [0, 1]),
    "empty mask": np.zeros((3, 4, 5), bool),
    "True": True,
    "False": False,
    "True and positions": (True, [0, 1]),
    "0-d positions": (np.int64(1), np.array(2)),
}


def _index(index, make):
    parts = index if isinstance(index, tuple) else (index,)
    return tuple([make(part) if isinstance(part, list | np.ndarray) else part for part in parts])


def _as_tensors(index):
    return _index(index, lambda part: mg.tensor(np.asarray(part, None if np.size(part) else int)))


@pytest.mark.parametrize("name", INDICES)
def test_reading_and_its_derivatives(name):
    index = INDICES[name]
    x = np.arange(60.0).reshape(3, 4, 5)
    expected = x[_index(index, lambda part: np.asarray(part, None if np.size(part) else int))]
    if name == "mask of the last dimensions":
        expected = x[1][index[1]]
    got = mg.tensor(x)[_as_tensors(index)]
    assert got.shape == expected.shape
    assert np.array_equal(got.numpy(), expected)
    assert np.array_equal(mg.tensor(x)[index].numpy(), expected)
    t = mg.tensor(x / 60, requires_grad=True)
    if expected.size:
        assert gradcheck(lambda t: t[_as_tensors(index)], (t,))
        assert gradgradcheck(lambda t: t[_as_tensors(index)] ** 2, (t,))


@pytest.mark.parametrize("name", INDICES)
def test_reading_and_writing_as_pytorch(name):
    torch = pytest.importorskip("torch")
    index = INDICES[name]
    ours, theirs = (
        _as_tensors(index),
        _index(index, lambda p: torch.tensor(np.asarray(p, None if np.size(p) else int))),
    )
    x, y = np.random.default_rng(0).standard_normal((3, 4, 5)), np.random.default_rng(1).standard_normal((5,))
    gradients = []
    for lib, at in ((mg, ours), (torch, theirs)):
        base, other = (lib.tensor(a, dtype=lib.float64, requires_grad=True) for a in (x, y))
        written = base * 1
        value = other[0] if written[at].shape[-1:] != (5,) else other
        if "positions" not in name and name not in ("list", "separated", "adjacent"):
            written[at] = value * 3  # positions named twice: which value stays is not defined
        else:
            written[at] = 0.5
        (written**2).sum().backward()
        read = base[at]
        weights = lib.tensor(np.random.default_rng(2).standard_normal(tuple(read.shape)), dtype=lib.float64)
        (read**2 * weights).sum().backward()
        gradients.append((read.detach().numpy(), written.detach().numpy(), base.grad.numpy(), other.grad))
    for got, expected in zip(*gradients, strict=True):
        if expected is None:
            assert got is None
        else:
            np.testing.assert_allclose(got, expected)


@st.composite
def _shapes_and_indices(draw):
    """A shape, and an index of which about one in four does not fit it."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    positions = st.lists(st.integers(-3, 3), max_size=3)
    edge = st.none() | st.integers(-4, 4)
    parts = []
    for dim in range(draw(st.integers(0, len(shape) + 1))):
        size = shape[dim] if dim < len(shape) else 1
        parts.append(
            draw(
                st.integers(-size, max(size - 1, 0))
                | st.builds(slice, edge, edge, st.none() | st.integers(1, 3))
                | st.none()
                | positions.map(lambda entries: np.array(entries, np.int64))
                | positions.map(lambda entries: np.array([entries, entries], np.int64))
                | st.lists(st.booleans(), min_size=size, max_size=size).map(lambda entries: np.array(entries, bool))
                | st.booleans()
            )
        )
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), Ellipsis)
    return shape, tuple(parts)


@settings(max_examples=100, deadline=None)
@given(case=_shapes_and_indices())
def test_any_index_reads_and_writes_as_in_pytorch(case):
    torch = pytest.importorskip("torch")
    shape, index = case
    values = np.random.default_rng(0).standard_normal(shape)
    results = []
    for lib in (mg, torch):
        x = lib.tensor(values, dtype=lib.float64, requires_grad=True)
        at = _index(index, lib.tensor)
        try:
            read = x[at]
        except IndexError:
            results.append(IndexError)
            continue
        (read * lib.arange(math.prod(read.shape), dtype=lib.float64).reshape(read.shape)).sum().backward()
        written = x.detach().clone()
        written[at] = 7.0
        results.append([read.detach().numpy(), x.grad.numpy(), written.numpy()])
    if IndexError in results:
        # PyTorch lets positions out of range pass where there is nothing to read.
        assert results == [IndexError, IndexError] or results[1][0].size == 0
        return
    for got, expected in zip(*results, strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected)


def test_integers_do_not_count_as_positions():
    # NumPy would move the dimension of the positions to the front.
    x = mg.arange(24).reshape(2, 3, 4)
    assert x[0, :, [0, 1]].shape == (3, 2)


def test_basic_indices_are_views_and_others_copies():
    x = mg.zeros(3, 4)
    x[1][2:].fill_(1)
    x[[0]].fill_(5)
    assert x.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]


def test_results_lie_in_row_major_order():
    x = mg.zeros(3, 4)
    for read in (x[:, [0, 1]], x.T[:, [0, 1]], x.T[[0, 1]]):
        assert read.is_contiguous()


def test_writing():
    x = mg.zeros(3, 4)
    x[0] = 1
    x[1:, ::2] = mg.tensor([[2.0], [3.0]])
    x[x == 3] = -1
    x[[0, 0], [1, 1]] += 5
    x[2] = mg.tensor([[7, 8, 9, 10]])
    assert x.tolist() == [[1, 6, 1, 1], [2, 0, 2, 0], [7, 8, 9, 10]]
    x[:, 1:] = x[:, :-1]
    assert x.tolist() == [[1, 1, 6, 1], [2, 2, 0, 2], [7, 7, 8, 9]]
    whole = mg.zeros(2, dtype=mg.int64)
    whole[0] = 1.75
    whole[1] = mg.tensor(2.5)
    assert whole.tolist() == [1, 2]


def test_positions_changed_before_backward_do_not_matter():
    x = mg.arange(4.0).requires_grad_()
    at = mg.tensor([0, 1])
    read = x[at]
    at.fill_(3)
    read.sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("width", [1, 3])
def test_repeated_positions_add_their_gradients(width):
    rng = np.random.default_rng(0)
    at = rng.integers(0, 50, 2000)
    x = mg.zeros(50, width, dtype=mg.float64, requires_grad=True)
    weights = rng.standard_normal((2000, width))
    (x[mg.tensor(at)] * mg.tensor(weights)).sum().backward()
    expected = np.zeros((50, width))
    np.add.at(expected, at, weights)
    np.testing.assert_allclose(x.grad.numpy(), expected)


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (5, IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
        ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ([0, 5], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (np.ones((2, 4), bool), IndexError, r"shape of the mask \[2, 4\] at index 0 does not match"),
        (np.ones(3, np.uint8), IndexError, "uint8"),
        (np.ones(3), IndexError, "must be long"),
        (([0, 1], [0, 1, 2]), IndexError, "shape mismatch"),
        (1.5, IndexError, "only integers, slices"),
        ("a", IndexError, "only integers, slices"),
        ((Ellipsis, Ellipsis), IndexError, "single ellipsis"),
    ],
)
def test_bad_indices(index, error, words):
    x = mg.zeros(3, 4)
    index = _index(index, mg.tensor)
    with pytest.raises(error, match=words):
        x[index]
    with pytest.raises(error, match=words):
        x[index] = 1
    assert not x.numpy().any()


def test_bad_values():
    x = mg.zeros(3, 4)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[0] = mg.ones(3)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[[0, 1]] = mg.ones(2, 1, 4)
    with pytest.raises(TypeError, match="setitem"):
        x[0] = "a"
    with pytest.raises(RuntimeError, match="overflow"):
        mg.zeros(2, dtype=mg.uint8)[0] = 300
    with pytest.raises(IndexError, match="0-dim"):
        mg.tensor(1.0)[0]


def test_iteration_and_membership():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * 2 + second).sum().backward()
    assert x.grad.tolist() == [[2, 2], [1, 1]]
    assert 3 in x and 5 not in x
    with pytest.raises(TypeError, match="0-d"):
        iter(mg.tensor(1))


def test_gather_and_scatter():
    rng = np.random.default_rng(0)
    x, src = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    at = np.array([[0, 3, 3], [1, 0, 2]])
    gathered = np.array([[x[i, at[i, j]] for j in range(3)] for i in range(2)])
    added, written = x.copy(), x.copy()
    for i in range(2):
        for j in range(3):
            added[i, at[i, j]] += src[i, j]
            written[i, at[i, j]] = 7
    index = mg.tensor(at)
    t, s = mg.tensor(x, requires_grad=True), mg.tensor(src, requires_grad=True)
    assert np.array_equal(mg.gather(t, 1, index).detach().numpy(), gathered)
    np.testing.assert_allclose(mg.scatter_add(t, 1, index, s).detach().numpy(), added)
    assert np.array_equal(mg.scatter(t, 1, index, 7).detach().numpy(), written)
    for operation, inputs in [
        (lambda t: t.gather(1, index), (t,)),
        (lambda t, s: t.scatter_add(1, index, s), (t, s)),
        (lambda t, s: t.scatter(1, mg.tensor([[0, 3], [2, 1]]), s), (t, s)),
        (lambda t: t.index_select(1, mg.tensor([3, 0, 3])), (t,)),
        (lambda t, s: t.index_add(0, mg.tensor([0, 2, 0]), s, alpha=2), (t, s)),
        (lambda t, s: t.index_put((mg.tensor([0, 0]),), s[:2], accumulate=True), (t, s)),
        (lambda t: t.take_along_dim(mg.tensor([[1], [-1], [0]]), 1), (t,)),
        (lambda t: t.masked_select(t > 0), (t,)),
        (lambda t: t.masked_fill(t > 0, 0.5), (t,)),
        (lambda t, s: t.masked_fill(t > 0, s[0, 0]), (t, s)),
    ]:
        assert gradcheck(operation, inputs)
        assert gradgradcheck(lambda *a, operation=operation: operation(*a) ** 2, inputs)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, i: x.gather(1, i + 9), IndexError, "index 9 is out of bounds for dimension 1 with size 4"),
        (lambda x, i: x.gather(1, i - 1), IndexError, "index -1 is out of bounds"),
        (lambda x, i: x.gather(1, i[0]), RuntimeError, "same number of dimensions"),
        (lambda x, i: x.gather(1, i.float()), RuntimeError, "int32 or int64"),
        (lambda x, i: x.scatter(0, i, x[:1]), RuntimeError, "no larger than src"),
        (lambda x, i: x.scatter(0, i, x.double()), RuntimeError, "dtype"),
        (lambda x, i: x.scatter_add(1, mg.zeros(9, 1).long(), x), RuntimeError, "no larger than"),
        (lambda x, i: x.index_select(0, i), IndexError, "vector"),
        (lambda x, i: x.index_add(0, i[0], x[:2]), RuntimeError, "expected source of shape"),
        (lambda x, i: x.masked_fill(x, 0), RuntimeError, "boolean masks"),
        (lambda x, i: x.masked_fill(x > 0, mg.ones(2)), RuntimeError, "0-dimensional"),
        (lambda x, i: x.narrow(0, 2, 2), RuntimeError, "exceeds dimension size"),
        (lambda x, i: x.narrow(0, 5, 0), IndexError, "start out of range"),
        (lambda x, i: x.select(0, 3), IndexError, "index 3 out of range"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call(mg.zeros(3, 4), mg.zeros(3, 4).long())


def test_in_place_forms():
    x = mg.zeros(3)
    x.scatter_(0, mg.tensor([0, 2]), mg.tensor([1.0, 2.0]))
    x.scatter_add_(0, mg.tensor([2, 2]), mg.tensor([1.0, 1.0]))
    x.masked_fill_(x == 0, -1)
    x.index_add_(0, mg.tensor([1]), mg.tensor([10.0]))
    x.index_put_((mg.tensor([0]),), mg.tensor([5.0]))
    assert x.tolist() == [5, 9, 4]


def test_padding_and_the_gradient_of_a_slice_stay_channels_last():
    x = mg.randn(2, 3, 4, 5)
    lying = x.contiguous(memory_format=mg.channels_last).requires_grad_(True)
    padded = mg.nn.functional.pad(lying, (1, 0, 2, 0, 0, 1), value=7.0)
    assert padded.is_contiguous(memory_format=mg.channels_last)
    np.testing.assert_array_equal(
        padded.detach().numpy(), mg.nn.functional.pad(x, (1, 0, 2, 0, 0, 1), value=7.0).numpy()
    )
    part = lying[:, :, ::2, 1:]
    (gradient,) = mg.autograd.grad(part, lying, mg.ones(part.shape).contiguous(memory_format=mg.channels_last))
    assert gradient.is_contiguous(memory_format=mg.channels_last)
    expected = np.zeros(x.shape, np.float32)
    expected[:, :, ::2, 1:] = 1
    np.testing.assert_array_equal(gradient.numpy(), expected)
