"""Local response normalisation on the GPU against the reference in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.geometry import is_channels_last
from minigrad.kernels.local_response_norm import cuda, reference

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}


def numbers(xp, shape, dtype, channels_last=False, seed=0):
    """The same numbers on the host, in float64, and on the device."""
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    if channels_last:
        return x.astype(float), xp.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    return x.astype(float), xp.asarray(x)


def check(xp, shape, dtype, x_last, dy_last, size, alpha=0.1, beta=0.75, k=1.0):
    (x, x_device), (dy, dy_device) = (numbers(xp, shape, dtype, *rest) for rest in ((x_last, 0), (dy_last, 1)))
    y, scale = cuda.forward(x_device, size, alpha, beta, k)
    dx = cuda.backward(dy_device, x_device, scale, size, alpha, beta)
    expected_y, expected_scale = reference.forward(x, size, alpha, beta, k)
    expected_dx = reference.backward(dy, x, expected_scale, size, alpha, beta)
    for got, expected in ((y, expected_y), (scale, expected_scale), (dx, expected_dx)):
        assert got.dtype == dtype and got.strides == x_device.strides
        np.testing.assert_allclose(got.get(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    return y, scale, dx


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(2, 6), st.integers(2, 6)),
    dtype=st.sampled_from([np.float32, np.float64]),
    x_last=st.booleans(),
    dy_last=st.booleans(),
    size=st.integers(1, 11),
    beta=st.sampled_from([0.75, 0.5, 1.3]),
    k=st.sampled_from([1.0, 2.0]),
)
def test_both_ways_equal_the_reference(xp, shape, dtype, x_last, dy_last, size, beta, k):
    if shape[0] * shape[1] > shape[0]:  # of one channel, both layouts are one
        check(xp, shape, dtype, x_last, dy_last, size, 0.1, beta, k)


def test_alexnet(xp):
    y, *_ = check(xp, (2, 96, 5, 5), np.float32, True, True, 5, 5e-4, 0.75, 2.0)
    assert is_channels_last(y)


def test_three_dimensions_and_a_negative_scale(xp):
    x, x_device = numbers(xp, (2, 5, 7), np.float32)
    y, scale = cuda.forward(x_device, 3, -9.0, 0.5, 1.0)
    expected_y, expected_scale = reference.forward(x, 3, -9.0, 0.5, 1.0)
    np.testing.assert_allclose(scale.get(), expected_scale, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y.get(), expected_y, rtol=1e-4, atol=1e-4)
    assert np.isnan(expected_y).any()


def test_nan_stays_in_its_window(xp):
    x = np.ones((1, 6, 2, 2), np.float32)
    x[0, 0, 1, 1] = np.nan
    y, scale = cuda.forward(xp.asarray(x), 3, 0.1, 0.75, 1.0)
    dx = cuda.backward(xp.asarray(np.ones_like(x)), xp.asarray(x), scale, 3, 0.1, 0.75)
    for got, reach in ((y, 2), (dx, 3)):
        np.testing.assert_array_equal(np.isnan(got.get())[0, :, 1, 1], np.arange(6) < reach)
        assert not np.isnan(got.get()[0, :, 0]).any()


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, channels_last):
    with simulate(mode=mode, order=3):
        check(xp, (3, 6, 3, 4), np.float32, channels_last, channels_last, 5)


def test_two_runs_give_the_same_bits(xp):
    runs = []
    for order in (0, 1):
        with simulate(order=order):
            runs.append(check(xp, (2, 12, 5, 5), np.float32, True, True, 5))
    for first, again in zip(*runs, strict=True):
        np.testing.assert_array_equal(first.get(), again.get())
