"""Max-pooling on the GPU: bit for bit the reference's, both ways."""

import numpy as np
import pytest
from device_layouts import lay, on_device
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.max_pool2d import cuda, reference

HALVES = dict(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False)


@st.composite
def problems(draw):
    """x, with ties, NaN and infinities, and the options of a pooling that fits."""
    kernel, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if not any(padding) else (1, 1)
    covered = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, c - 2 * p) + draw(st.integers(0, 4)) for c, p in zip(covered, padding, strict=True)]
    shape = (draw(st.integers(0, 3)), draw(st.sampled_from([1, 2, 3, 4, 8])), *size)
    x = image(shape, draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans()), draw(st.integers(0, 99)))
    options = dict(kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    return x, options | {"ceil_mode": draw(st.booleans())}


def image(shape, dtype, channels_last, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, shape).astype(dtype)
    x[rng.random(shape) < 0.05] = np.nan
    x[rng.random(shape) < 0.1] = -np.inf
    return lay(x, channels_last)


def check(xp, x, options):
    y, index = cuda.forward(on_device(xp, x), **options)
    expected_y, expected_index = reference.forward(x, **options)
    np.testing.assert_array_equal(y.get(), expected_y, strict=True)
    np.testing.assert_array_equal(index.get(), expected_index, strict=True)

    where = x.shape, *[options[name] for name in ("kernel_size", "stride", "padding", "dilation")]
    dy = np.random.default_rng(1).integers(-4, 5, y.shape).astype(x.dtype)
    dx = cuda.backward(on_device(xp, dy), index, *where)
    np.testing.assert_array_equal(dx.get(), reference.backward(dy, expected_index, *where), strict=True)
    gated = cuda.backward(on_device(xp, dy), index, *where, gate=on_device(xp, x))
    np.testing.assert_array_equal(gated.get(), reference.backward(dy, expected_index, *where, gate=x), strict=True)
    places = cuda.flat_index(index, *where)
    np.testing.assert_array_equal(places.get(), reference.flat_index(expected_index, *where), strict=True)
    return y, index, dx, places


@settings(max_examples=80, deadline=None)
@given(problems())
def test_both_ways_equal_the_reference(xp, problem):
    check(xp, *problem)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_that_tile_the_image(xp, dtype, channels_last):
    check(xp, image((3, 8, 8, 6), dtype, channels_last), HALVES)


@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_stays_as_it_lies(xp, channels_last):
    x = image((2, 4, 6, 6), np.float32, channels_last)
    for result in check(xp, x, HALVES | {"stride": (1, 1)}):
        strides = lay(np.empty(result.shape, result.dtype), channels_last).strides
        assert result.strides == strides


@pytest.mark.parametrize(("kernel_size", "bytes_of_a_place"), [((16, 16), 1), ((17, 16), 2), ((257, 256), 4)])
def test_large_windows_take_wider_places(xp, kernel_size, bytes_of_a_place):
    x = np.zeros((1, 1, *kernel_size), np.float32)
    x[0, 0, -1, -1] = 1
    options = HALVES | {"kernel_size": kernel_size, "stride": kernel_size}
    _, index, _, _ = check(xp, x, options)
    assert index.itemsize == bytes_of_a_place and index.get().item() == x.size - 1


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, channels_last):
    with simulate(mode=mode, order=3):
        check(xp, image((2, 4, 4, 6), np.float32, channels_last), HALVES)
        overlapping = HALVES | {"kernel_size": (3, 3), "padding": (1, 1), "ceil_mode": True}
        check(xp, image((3, 4, 5, 6), np.float32, channels_last), overlapping)
        check(xp, image((3, 3, 5, 6), np.float32, channels_last), HALVES | {"kernel_size": (3, 2), "dilation": (1, 2)})


def test_two_runs_give_the_same_bits(xp):
    x = np.random.default_rng(0).standard_normal((2, 4, 9, 9)).astype(np.float32)
    dy = np.random.default_rng(1).standard_normal((2, 4, 7, 7)).astype(np.float32)
    runs = []
    for order in (0, 1):
        with simulate(order=order):
            y, index = cuda.forward(on_device(xp, x), (3, 3), (1, 1), (0, 0), (1, 1), False)
            dx = cuda.backward(on_device(xp, dy), index, x.shape, (3, 3), (1, 1), (0, 0), (1, 1))
            runs.append((y.get(), dx.get()))
    for first, again in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, again)


def test_more_images_than_a_grid_has_rows_of_blocks(xp, monkeypatch):
    monkeypatch.setattr("minigrad.kernels.cuda.shapes.GRID_Y", 2)
    check(xp, image((40, 40, 4, 4), np.float32, False), HALVES)
