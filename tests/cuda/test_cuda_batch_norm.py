"""Batch normalisation on the GPU against the reference in float64."""

import numpy as np
import pytest
from device_layouts import channels_last, on_device
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.batch_norm import cuda, reference
from minigrad.kernels.cuda.simulator import simulate

EPS = 0.1  # keeps a channel of one or two elements well conditioned
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "channels_last": channels_last,
    "reversed axes": lambda x: np.ascontiguousarray(x.T).T,
}
SHAPES = st.one_of(
    st.tuples(st.integers(1, 40), st.sampled_from([1, 3, 4, 8])),
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.sampled_from([1, 3, 4, 6, 8, 33]), st.integers(1, 6), st.integers(1, 6)),
)


def to_device(xp, *arrays):
    return [None if array is None else on_device(xp, array) for array in arrays]


def numbers(rng, shape, dtype, layout="contiguous", shift=0.0):
    return LAYOUTS[layout]((rng.standard_normal(shape) + shift).astype(dtype))


def double(*arrays):
    return [None if array is None else array.astype(np.float64) for array in arrays]


def assert_close(actual, expected, tolerance):
    for a, e in zip(actual, expected, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            np.testing.assert_allclose(a.get(), e, rtol=tolerance, atol=tolerance * max(1, np.abs(e).max(initial=0)))


def check(xp, shape, dtype, layout, other, parameters, relu, seed=0):
    rng = np.random.default_rng(seed)
    x, dy = numbers(rng, shape, dtype, layout, 3), numbers(rng, shape, dtype, other)
    weight, bias = (numbers(rng, shape[1], dtype) if parameters else None for _ in range(2))
    tolerance = TOLERANCE[dtype]

    mean, invstd = cuda.statistics(on_device(xp, x), EPS)
    assert mean.dtype == invstd.dtype == dtype
    assert_close((mean, invstd), reference.statistics(*double(x), EPS), tolerance)

    line = to_device(xp, x, weight, bias)
    y = cuda.normalize(*line, mean, invstd, relu)
    host = double(x, weight, bias, mean.get(), invstd.get())
    assert_close((y,), (reference.normalize(*host, relu),), tolerance)
    assert not relu or (y.get() >= 0).all()
    if layout != "reversed axes":
        assert y.strides == xp.empty_like(line[0]).strides or 1 in shape

    _, weight_, _, mean_, invstd_ = host
    got = cuda.backward(*to_device(xp, dy), *line[:2], mean, invstd, y if relu else None)
    expected = reference.backward(*double(dy, x), weight_, mean_, invstd_, y.get() if relu else None)
    assert_close(got, expected, tolerance)
    return y, *got


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES,
    dtype=st.sampled_from([np.float32, np.float64]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    other=st.sampled_from(sorted(LAYOUTS)),
    parameters=st.booleans(),
    relu=st.booleans(),
)
def test_both_ways_equal_the_reference(xp, shape, dtype, layout, other, parameters, relu):
    check(xp, shape, dtype, layout, other, parameters, relu)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shape", [(70, 8, 6, 6), (3, 130, 20, 20), (900, 4)])
@pytest.mark.parametrize("blocks", [3, 512])
def test_many_blocks_are_merged_alike_in_two_runs(xp, shape, layout, blocks, monkeypatch):
    monkeypatch.setattr(cuda, "_BLOCKS", blocks)
    monkeypatch.setattr(cuda, "GRID_Y", 2 if blocks == 3 else 65535)
    arguments = (xp, shape, np.float32, layout, layout, True, True)
    with simulate(order=1):
        backwards = check(*arguments)
    for first, again in zip(check(*arguments), backwards, strict=True):
        np.testing.assert_array_equal(first.get(), again.get())


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shape", [(3, 6, 3, 3), (5, 4, 4, 2)])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, layout, shape):
    with simulate(mode=mode, order=3):
        check(xp, shape, np.float32, layout, layout, True, False)
        check(xp, shape, np.float32, layout, layout, True, True)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_a_large_mean_costs_no_digits(xp, layout):
    x = numbers(np.random.default_rng(1), (16, 4, 9, 9), np.float32, layout, 1000)
    mean, invstd = cuda.statistics(on_device(xp, x), 1e-5)
    expected = reference.statistics(x.astype(np.float64), 1e-5)
    np.testing.assert_allclose(mean.get(), expected[0], rtol=1e-7)
    np.testing.assert_allclose(invstd.get(), expected[1], rtol=1e-6)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_integers_are_exact(xp, layout, dtype):
    rng = np.random.default_rng(2)
    x, dy = (LAYOUTS[layout](rng.integers(-4, 5, (4, 8, 4, 4)).astype(dtype)) for _ in range(2))
    x[2:] = -x[:2]  # a mean of 0; one element of 9 in 16 gives the variance no rounding
    mean, invstd = cuda.statistics(on_device(xp, x), 1e-5)
    np.testing.assert_array_equal(mean.get(), 0)
    np.testing.assert_array_equal(invstd.get(), reference.statistics(x, 1e-5)[1])
    ones = np.ones(8, dtype)
    _, dweight, dbias = cuda.backward(*to_device(xp, dy, x, ones, 0 * ones, ones))
    np.testing.assert_array_equal(dbias.get(), dy.sum((0, 2, 3)))
    np.testing.assert_array_equal(dweight.get(), (dy * x).sum((0, 2, 3)))


def test_nan_stays_in_its_channel_and_passes_the_relu(xp):
    x = numbers(np.random.default_rng(3), (4, 3, 5, 5), np.float32)
    x[1, 2, 3, 3] = np.nan
    mean, invstd = cuda.statistics(on_device(xp, x), EPS)
    assert np.isnan(mean.get()).tolist() == np.isnan(invstd.get()).tolist() == [False, False, True]
    y = cuda.normalize(on_device(xp, x), None, None, mean, invstd, True).get()
    assert np.isnan(y).all((0, 2, 3)).tolist() == np.isnan(y).any((0, 2, 3)).tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [1, 2])
def test_running_statistics_follow(xp, dtype, step):
    rng = np.random.default_rng(4)
    mean, invstd, *running = (rng.uniform(0.5, 2, 6).astype(dtype) for _ in range(4))
    moved = [xp.zeros(6 * step, dtype)[::step] for _ in running]
    for target, values in zip(moved, running, strict=True):
        target[...] = xp.asarray(values)
    cuda.track(*moved, *to_device(xp, mean, invstd), 0.1, EPS, 7)
    expected = double(*running)
    reference.track(*expected, *double(mean, invstd), 0.1, EPS, 7)
    assert_close(moved, expected, 1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", [False, True])
def test_scale_of_a_kept_variance(xp, dtype, parameters):
    rng = np.random.default_rng(5)
    var, weight = rng.uniform(0, 2, 300).astype(dtype), numbers(rng, 300, dtype) if parameters else None
    scale = cuda.scale(xp.asarray(var), 1e-5, *to_device(xp, weight))
    expected = reference.scale(*double(var), 1e-5, *double(weight))
    np.testing.assert_allclose(scale.get(), expected, rtol=1e-7 if dtype == np.float32 else 1e-15)
    assert scale.dtype == dtype


@pytest.mark.parametrize("shape", [(0, 3, 2, 2), (2, 0, 3, 3), (0, 4)])
def test_empty_input(xp, shape):
    x = np.empty(shape, np.float32)
    mean, invstd = cuda.statistics(on_device(xp, x), EPS)
    assert_close((mean, invstd), reference.statistics(x, EPS), 1e-6)
    assert cuda.normalize(on_device(xp, x), None, None, mean, invstd).shape == shape
    gradients = cuda.backward(*to_device(xp, x, x, None), mean, invstd)
    assert_close(gradients, reference.backward(x, x, None, mean.get(), invstd.get()), 0)


def test_float16_is_refused(xp):
    with pytest.raises(RuntimeError, match="batch_norm: .*float16"):
        cuda.statistics(xp.zeros((2, 2), np.float16), EPS)
