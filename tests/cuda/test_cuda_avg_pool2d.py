"""Average-pooling on the GPU against the reference in float64."""

import numpy as np
import pytest
from device_layouts import lay, on_device
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.avg_pool2d import cuda, reference
from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.geometry import is_channels_last

PLAIN = dict(padding=(0, 0), ceil_mode=False, count_include_pad=True, divisor_override=None)
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}


@st.composite
def problems(draw):
    """x and the options of a pooling that fits; large windows too, which a block shares."""
    kernel = draw(st.tuples(*[st.sampled_from([1, 2, 3, 3, 7])] * 2))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.integers(0, 3)), draw(st.sampled_from([1, 2, 3, 4, 8, 132])), *size)
    x = image(shape, draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans()), draw(st.integers(0, 99)))
    return x, dict(
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=draw(st.booleans()),
        count_include_pad=draw(st.booleans()),
        divisor_override=draw(st.sampled_from([None, None, 3])),
    )


def image(shape, dtype, channels_last, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return lay(x, channels_last)


def check(xp, x, options, channels_last_gradient=False):
    y = cuda.forward(on_device(xp, x), **options)
    tolerance = TOLERANCE[x.dtype.type]
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y.get(), reference.forward(x.astype(float), **options), rtol=tolerance, atol=tolerance)

    options = {name: value for name, value in options.items() if name != "ceil_mode"}
    dy = lay(np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype), channels_last_gradient)
    dx = cuda.backward(on_device(xp, dy), x.shape, **options)
    assert dx.dtype == x.dtype
    expected = reference.backward(dy.astype(float), x.shape, **options)
    np.testing.assert_allclose(dx.get(), expected, rtol=tolerance, atol=tolerance)
    # <pool(x), dy> = <x, its transpose(dy)>
    scale = np.abs(y.get().astype(float) * dy).sum() + 1
    assert abs(np.vdot(y.get().astype(float), dy) - np.vdot(x, dx.get().astype(float))) < 10 * tolerance * scale
    return y, dx


@settings(max_examples=80, deadline=None)
@given(problems(), st.booleans())
def test_both_ways_equal_the_reference(xp, problem, channels_last_gradient):
    check(xp, *problem, channels_last_gradient)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(7, 7), (8, 5), (13, 21)])
def test_global_pooling(xp, size, dtype, channels_last):
    x = image((3, 12, *size), dtype, channels_last)
    options = PLAIN | dict(kernel_size=size, stride=size)
    y, _ = check(xp, x, options, channels_last)
    del options["ceil_mode"]
    dx = cuda.backward(y, x.shape, **options)
    assert is_channels_last(y) == is_channels_last(dx) == channels_last


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kernel_size", [(2, 2), (8, 8)])
def test_small_integers_are_exact(xp, kernel_size, channels_last):
    rng = np.random.default_rng(0)
    x = lay(rng.integers(-4, 5, (2, 4, 8, 8)).astype(np.float32), channels_last)
    options = PLAIN | dict(kernel_size=kernel_size, stride=kernel_size)
    y = cuda.forward(on_device(xp, x), **options).get()
    np.testing.assert_array_equal(y, reference.forward(x, **options))
    ones = np.full_like(x, 7)
    np.testing.assert_array_equal(cuda.forward(on_device(xp, ones), (3, 3), (1, 1), **PLAIN).get(), 7)


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize(("kernel_size", "padding"), [((3, 2), (0, 0)), ((3, 3), (1, 1)), ((5, 4), (2, 1))])
def test_windows_over_the_edge_count_what_is_inside(xp, kernel_size, padding, count_include_pad):
    options = dict(stride=(2, 3), ceil_mode=True, divisor_override=None)
    for size in ((6, 6), (7, 9)):
        x = image((1, 2, *size), np.float64, True)
        check(xp, x, options | dict(kernel_size=kernel_size, padding=padding, count_include_pad=count_include_pad))


@pytest.mark.parametrize("channels_last", [False, True])
def test_many_large_windows_take_a_thread_each(xp, channels_last, monkeypatch):
    monkeypatch.setattr(cuda, "_MANY", 1)
    check(xp, image((2, 4, 9, 9), np.float32, channels_last), PLAIN | dict(kernel_size=(5, 4), stride=(1, 2)))


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, channels_last):
    with simulate(mode=mode, order=3):
        for channels in (3, 4):
            x = image((3, channels, 8, 7), np.float32, channels_last)
            options = dict(padding=(1, 1), ceil_mode=True, count_include_pad=False, divisor_override=None)
            check(xp, x, options | dict(kernel_size=(3, 2), stride=(2, 3)), channels_last)
            check(xp, x, PLAIN | dict(kernel_size=(8, 7), stride=(1, 1)), channels_last)


def test_two_runs_give_the_same_bits(xp):
    for channels_last in (False, True):
        x = image((2, 8, 9, 9), np.float32, channels_last)
        for kernel_size in ((3, 3), (9, 9)):
            options = PLAIN | dict(kernel_size=kernel_size, stride=(1, 1))
            runs = []
            for order in (0, 1):
                with simulate(order=order):
                    runs.append([result.get() for result in check(xp, x, options)])
            for first, again in zip(*runs, strict=True):
                np.testing.assert_array_equal(first, again)


def test_more_images_than_a_grid_has_rows_of_blocks(xp, monkeypatch):
    monkeypatch.setattr("minigrad.kernels.cuda.shapes.GRID_Y", 2)
    monkeypatch.setattr(cuda, "GRID_Y", 2)
    x = image((40, 40, 4, 4), np.float32, False)
    check(xp, x, PLAIN | dict(kernel_size=(2, 2), stride=(2, 2)))
    check(xp, image((5, 4, 6, 6), np.float32, False), PLAIN | dict(kernel_size=(6, 6), stride=(1, 1)))
