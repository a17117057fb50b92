"""Max-pooling: the CPU kernel against the reference, the reference against PyTorch and finite differences."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS, assert_same_on_one_thread, channels_last

from minigrad.kernels.geometry import output_size
from minigrad.kernels.max_pool2d import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("pool", [reference, cpu], ids=["reference", "cpu"])
HALVING = ((2, 2), (2, 2), (0, 0), (1, 1))


def _sees_the_image(window, size, kernel, stride, padding, dilation):
    """Whether a window has a tap that is not padding; `max_pool2d` refuses geometries where one has none."""
    return any(0 <= window * stride - padding + tap * dilation < size for tap in range(kernel))


@st.composite
def geometries(draw):
    """kernel_size, stride, padding, dilation, ceil_mode and an input size whose windows all see the image."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    ceil_mode = draw(st.booleans())
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    for axis in range(2):
        args = kernel[axis], stride[axis], padding[axis], dilation[axis], ceil_mode
        windows = output_size(size[axis], *args)
        assume(windows >= 1 and all(_sees_the_image(window, size[axis], *args[:4]) for window in range(windows)))
    return size, (kernel, stride, padding, dilation), ceil_mode


def values(shape, dtype, seed, kind):
    rng = np.random.default_rng(seed)
    if kind == "ties":
        x = rng.integers(0, 3, shape)
    elif kind == "negative":
        x = -rng.random(shape) - 1
    elif kind == "special":
        x = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0], shape, p=[0.1, 0.1, 0.5, 0.15, 0.15])
    else:
        x = rng.standard_normal(shape)
    return x.astype(dtype)


@settings(max_examples=80, deadline=None)
@example(2, 3, ((28, 28), HALVING, False), np.float32, "contiguous", "special", 0)
@example(2, 3, ((9, 7), HALVING, True), np.float32, "contiguous", "negative", 0)
@example(2, 40, ((9, 8), ((3, 3), (2, 2), (1, 1), (1, 1)), True), np.float32, "channels_last", "special", 0)
@example(1, 40, ((7, 7), ((3, 3), (1, 1), (1, 1), (1, 1)), False), np.float64, "channels_last", "ties", 0)
@example(1, 40, ((8, 8), HALVING, False), np.float32, "channels_last", "normal", 0)
@example(1, 40, ((9, 9), ((4, 2), (3, 3), (2, 0), (2, 1)), True), np.float32, "channels_last", "special", 0)
@given(
    st.integers(0, 3),
    st.integers(1, 5),
    geometries() | st.tuples(st.tuples(st.integers(2, 40), st.integers(2, 40)), st.just(HALVING), st.booleans()),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(["normal", "ties", "negative", "special"]),
    st.integers(0, 100),
)
def test_cpu_equals_reference(n, c, geometry, dtype, layout, kind, seed):
    size, window, ceil_mode = geometry
    x = LAYOUTS[layout](values((n, c, *size), dtype, seed, kind))
    before = x.copy()
    y, index = cpu.forward(x, *window, ceil_mode)
    expected, expected_index = reference.forward(x, *window, ceil_mode)
    np.testing.assert_array_equal(y, expected, strict=True)
    np.testing.assert_array_equal(index, expected_index, strict=True)
    np.testing.assert_array_equal(x, before)

    dy = LAYOUTS[layout](values(y.shape, dtype, seed + 1, "normal"))
    dx = cpu.backward(dy, index, x.shape, *window)
    expected = reference.backward(dy, expected_index, x.shape, *window)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-5, strict=True)
    gated = cpu.backward(dy, index, x.shape, *window, gate=x)
    np.testing.assert_array_equal(gated, np.where(x <= 0, x.dtype.type(0), dx), strict=True)
    expected = reference.backward(dy, expected_index, x.shape, *window, gate=x)
    np.testing.assert_allclose(gated, expected, rtol=1e-5, atol=1e-5, strict=True)


@settings(max_examples=60, deadline=None)
@given(geometries(), st.sampled_from(["normal", "ties", "negative", "special"]), st.integers(0, 100))
def test_reference_equals_pytorch(geometry, kind, seed):
    torch = pytest.importorskip("torch")
    size, window, ceil_mode = geometry
    x = values((2, 3, *size), np.float64, seed, kind)
    y, index = reference.forward(x, *window, ceil_mode)
    places = reference.flat_index(index, x.shape, *window)
    # A window all of whose taps lie in the padding has no winner; PyTorch then points outside the plane.
    assume((places >= 0).all() and not np.isneginf(y[~np.isin(y, x)]).any())

    tx = torch.from_numpy(x).requires_grad_()
    ty, tindex = torch.nn.functional.max_pool2d(tx, *window, ceil_mode, return_indices=True)
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_array_equal(places, tindex.numpy())
    dy = values(y.shape, np.float64, seed + 1, "normal")
    ty.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(reference.backward(dy, index, x.shape, *window), tx.grad.numpy(), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(geometries(), st.integers(0, 100))
def test_backward_is_the_slope_of_forward(geometry, seed):
    size, window, ceil_mode = geometry
    rng = np.random.default_rng(seed)
    # A shuffled range has no ties and no pair so close that the step exchanges them.
    x = rng.permutation(2 * size[0] * size[1]).reshape(1, 2, *size).astype(np.float64)
    direction = rng.standard_normal(x.shape) * 1e-3
    y, index = reference.forward(x, *window, ceil_mode)
    dy = np.where(np.isfinite(y), rng.standard_normal(y.shape), 0)
    up, down = (reference.forward(x + s * direction, *window, ceil_mode)[0] for s in (1, -1))
    slope = (dy * np.where(np.isfinite(y), up - down, 0)).sum() / 2
    dx = reference.backward(dy, index, x.shape, *window)
    np.testing.assert_allclose((dx * direction).sum(), slope, atol=1e-10)


@IMPLEMENTATIONS
def test_padding_never_wins_over_negative_input(pool):
    x = np.full((1, 1, 3, 3), -5, np.float32)
    y, _ = pool.forward(x, (3, 3), (2, 2), (1, 1), (1, 1), False)
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -5, np.float32))


@IMPLEMENTATIONS
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_first_of_equals_wins(pool, layout):
    x = LAYOUTS[layout](np.zeros((1, 2, 4, 4), np.float32))
    _, index = pool.forward(x, *HALVING, False)
    assert index.dtype == np.uint8 and (index == 0).all()
    dx = pool.backward(np.ones((1, 2, 2, 2), np.float32), index, x.shape, *HALVING)
    np.testing.assert_array_equal(dx[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


@IMPLEMENTATIONS
def test_index_type_grows_with_the_window(pool):
    x = np.arange(400, dtype=np.float32).reshape(1, 1, 20, 20)
    y, index = pool.forward(x, (20, 20), (1, 1), (0, 0), (1, 1), False)
    assert index.dtype == np.uint16 and index.item() == 399
    dx = pool.backward(np.ones_like(y), index, x.shape, (20, 20), (1, 1), (0, 0), (1, 1))
    assert dx.sum() == dx[0, 0, 19, 19] == 1


@IMPLEMENTATIONS
def test_gradient_of_nan_and_infinity_passes(pool):
    dy = np.array([np.nan, np.inf, 1, 2], np.float32).reshape(1, 1, 2, 2)
    dx = pool.backward(dy, np.full((1, 1, 2, 2), 3, np.uint8), (1, 1, 4, 4), *HALVING)
    np.testing.assert_array_equal(dx[0, 0, 1::2, 1::2], dy[0, 0])
    assert np.count_nonzero(dx) == 4


@pytest.mark.parametrize("size", [8, 2])
def test_channels_last_memory_stays_channels_last(size):
    """A single pixel remembers by its strides that it was channels-last."""
    x = channels_last(np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32))
    y, index = cpu.forward(x, *HALVING, False)
    dx = cpu.backward(np.ones(y.shape, np.float32), index, x.shape, *HALVING)
    assert y.strides[1] == dx.strides[1] == 4 and index.strides[1] == 1


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("window", [HALVING, ((3, 3), (2, 2), (1, 1), (1, 1))])
def test_no_result_depends_on_the_thread_count(layout, window):
    x = LAYOUTS[layout](values((4, 5, 20, 20), np.float32, 0, "normal"))

    def run():
        y, index = cpu.forward(x, *window, False)
        return y, index, cpu.backward(y, index, x.shape, *window)

    assert_same_on_one_thread(run)
