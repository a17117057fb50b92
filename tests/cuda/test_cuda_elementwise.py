"""ReLU and sums on the GPU: bit for bit the reference's, in any layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.elementwise import cuda, reference


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, shape).astype(dtype)
    return np.where(rng.random(shape) < 0.1, np.array(np.nan, dtype), x)


def check(x, y):
    """x and y are arrays of the device."""
    for name, arguments in (("relu", (x,)), ("relu_backward", (x, y)), ("add", (x, y))):
        result = getattr(cuda, name)(*arguments)
        expected = getattr(reference, name)(*[array.get() for array in arguments])
        np.testing.assert_array_equal(result.get(), expected, strict=True)
    assert cuda.add(x, y).strides == cuda.array_module(x).empty_like(x).strides


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.sampled_from([0, *[1, 2, 3, 4, 5] * 3]), max_size=4).map(tuple),
    dtype=st.sampled_from([np.float32, np.float64]),
    data=st.data(),
)
def test_all_equal_the_reference_in_any_layout(xp, shape, dtype, data):
    def lay(array):
        order = data.draw(st.permutations(range(len(shape))))
        step = data.draw(st.sampled_from([1, 1, 2]))
        room = xp.zeros([shape[axis] * step for axis in order], dtype)
        laid = room.transpose(np.argsort(order).tolist() if shape else [])[(slice(None, None, step),) * len(shape)]
        laid[...] = xp.asarray(array)
        return laid

    check(lay(values(shape, dtype)), lay(values(shape, dtype, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_arrays_that_begin_anywhere(xp, dtype, start):
    x, y = (xp.asarray(values(1003, dtype, seed))[start:] for seed in (0, 1))
    check(x, y)
    check(x, y.copy())


def test_results_go_where_they_are_asked_to(xp):
    x, y = (xp.asarray(values((5, 7), np.float32, seed)) for seed in (0, 1))
    total, rectified = reference.add(x.get(), y.get()), reference.relu(y.get())
    assert cuda.add(x, y, out=x) is x and cuda.relu(y, out=y) is y
    np.testing.assert_array_equal(x.get(), total)
    np.testing.assert_array_equal(y.get(), rectified)
    turned = xp.zeros((7, 5), np.float32).T
    cuda.add(x, y, out=turned)
    np.testing.assert_array_equal(turned.get(), total + rectified)


def test_integers_are_the_array_modules(xp):
    x = xp.asarray(np.arange(-3, 4))
    np.testing.assert_array_equal(cuda.relu(x).get(), [0, 0, 0, 0, 1, 2, 3])


def test_more_packs_than_threads(xp, monkeypatch):
    monkeypatch.setattr(cuda, "_BLOCKS", 2)
    check(*[xp.asarray(values(5001, np.float32, seed)) for seed in (0, 1)])


@pytest.mark.parametrize("mode", ["check", "ubsan"])
def test_memory_is_kept_to_and_no_threads_race(xp, mode):
    with simulate(mode=mode, order=3):
        for start in (0, 1):
            x, y = (xp.asarray(values(70, np.float32, seed))[start:] for seed in (0, 1))
            check(x, y)
            check(x.copy(), y)  # one of them begins at a multiple of 16 bytes
            check(x, y.copy())
            cuda.add(x, y, out=x)
