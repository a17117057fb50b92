"""Dropout: one mask for every implementation, layout and thread count; the right rate; linear."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import assert_same_on_one_thread

from minigrad.kernels.dropout import cpu, reference
from minigrad.kernels.philox import reference as philox

IMPLEMENTATIONS = pytest.mark.parametrize("dropout", [reference, cpu], ids=["reference", "cpu"])


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(0, 9), max_size=4).map(tuple),
    dtype=st.sampled_from([np.float32, np.float64]),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
    offset=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_cpu_equals_reference_bit_for_bit(shape, dtype, p, seed, offset, data):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))[..., ::-1] if x.ndim else x
    y = cpu.forward(x, p, seed, offset)
    np.testing.assert_array_equal(y, reference.forward(x, p, seed, offset), strict=True)
    expected = np.where(philox.uniform(x.size, seed, offset).reshape(x.shape) >= np.float64(p), x, 0)
    np.testing.assert_allclose(y * dtype(1 - p), expected, rtol=1e-5)


@IMPLEMENTATIONS
def test_layout_does_not_move_the_mask(dropout):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(dropout.forward(x, 0.5, 1, 2), dropout.forward(channels_last, 0.5, 1, 2))


@IMPLEMENTATIONS
def test_rate_and_scale(dropout):
    y = dropout.forward(np.ones(40_000, np.float32), 0.3, seed=1, offset=0)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.01


@IMPLEMENTATIONS
def test_the_ends_of_p(dropout):
    x = np.array([1.0, -2.0, np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(dropout.forward(x, 0.0, 1, 0), x)
    np.testing.assert_array_equal(dropout.forward(x, 1.0, 1, 0), [0, 0, np.nan, np.nan])


def test_no_result_depends_on_the_thread_count():
    x = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    assert_same_on_one_thread(lambda: [cpu.forward(x, 0.5, 3, 1)])
