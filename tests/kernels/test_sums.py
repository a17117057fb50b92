"""Sums: the CPU kernel against exact sums, for every way in which an array can be cut into rectangles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import assert_same_on_one_thread

from minigrad.kernels.reduction import cpu, reference

rng = np.random.default_rng(0)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(0, 70), st.sampled_from([0, 1, 2, 7])),
    dtype=st.sampled_from([np.float32, np.float64]),
    rectangle=st.sampled_from([1, 4, 40, cpu.RECTANGLE]),
    columns=st.sampled_from([1, 3, cpu.COLUMNS]),
)
def test_cpu_equals_reference(shape, dtype, rectangle, columns):
    a = rng.standard_normal(shape).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "RECTANGLE", max(rectangle, columns))
        patch.setattr(cpu, "COLUMNS", columns)
        patch.setattr(cpu, "SMALL", 0)
        total = cpu.sum_middle(a)
    np.testing.assert_allclose(total, reference.sum_middle(a), rtol=1e-5, atol=1e-5 if dtype == np.float32 else 1e-13)
    assert total.dtype == dtype


@pytest.mark.parametrize("shape", [(1, 1_000_003, 1), (1, 200_001, 3), (3, 40, 5000)])
def test_long_sums_keep_their_digits(shape):
    a = rng.uniform(0, 1, shape).astype(np.float32)
    exact = [math.fsum(a[0, :, c].tolist()) for c in range(3 if shape[2] > 1 else 1)]
    np.testing.assert_allclose(cpu.sum_middle(a)[0, : len(exact)], exact, rtol=2e-7)


def test_nan_and_infinity_survive():
    a = np.zeros((2, 100, 1), np.float32)
    a[0, 50], a[1, 3], a[1, 4] = np.nan, np.inf, 1
    np.testing.assert_array_equal(cpu.sum_middle(a), [[np.nan], [np.inf]])
    np.testing.assert_array_equal(cpu.sum_middle(np.repeat(a, 2, axis=2)), [[np.nan] * 2, [np.inf] * 2])


def test_sums_do_not_depend_on_the_threads():
    a, b = rng.standard_normal((2, 100_000, 1)), rng.standard_normal((1, 5000, 64))
    assert_same_on_one_thread(lambda: [cpu.sum_middle(a), cpu.sum_middle(b)])
