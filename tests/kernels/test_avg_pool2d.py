"""Average-pooling: CPU against reference, reference against PyTorch; backward as the forward's transpose."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS

from minigrad.kernels.avg_pool2d import cpu, reference
from minigrad.kernels.geometry import output_size

IMPLEMENTATIONS = pytest.mark.parametrize("pool", [reference, cpu], ids=["reference", "cpu"])


@st.composite
def geometries(draw):
    """The input's size, (kernel_size, stride, padding), ceil_mode, count_include_pad, divisor_override."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = draw(st.tuples(st.integers(1, 10), st.integers(1, 10)))
    ceil_mode = draw(st.booleans())
    for axis in range(2):
        args = kernel[axis], stride[axis], padding[axis], 1, ceil_mode
        assume(output_size(size[axis], *args) >= 1)
    return size, (kernel, stride, padding), ceil_mode, (draw(st.booleans()), draw(st.sampled_from([None, 3])))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 3),
    st.integers(1, 4),
    geometries(),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(sorted(LAYOUTS)),
)
def test_cpu_equals_reference(n, c, geometry, dtype, layout):
    size, window, ceil_mode, divisor = geometry
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    rng = np.random.default_rng(0)
    x = LAYOUTS[layout](rng.standard_normal((n, c, *size)).astype(dtype))
    y = cpu.forward(x, *window, ceil_mode, *divisor)
    expected = reference.forward(x, *window, ceil_mode, *divisor)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance, strict=True)
    dy = LAYOUTS[layout](rng.standard_normal(y.shape).astype(dtype))
    dx = cpu.backward(dy, x.shape, *window, *divisor)
    expected = reference.backward(dy, x.shape, *window, *divisor)
    np.testing.assert_allclose(dx, expected, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=60, deadline=None)
@given(geometries())
def test_reference_equals_pytorch(geometry):
    torch = pytest.importorskip("torch")
    size, window, ceil_mode, divisor = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size))
    tx = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.avg_pool2d(tx, *window, ceil_mode, *divisor)
    y = reference.forward(x, *window, ceil_mode, *divisor)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    dy = rng.standard_normal(y.shape)
    expected.backward(torch.from_numpy(dy))
    dx = reference.backward(dy, x.shape, *window, *divisor)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(geometries(), st.sampled_from([reference, cpu]))
def test_backward_is_the_transpose_of_forward(geometry, pool):
    """The map is linear: <dy, forward(x)> = <backward(dy), x>."""
    size, window, ceil_mode, divisor = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size))
    y = pool.forward(x, *window, ceil_mode, *divisor)
    dy = rng.standard_normal(y.shape)
    dx = pool.backward(dy, x.shape, *window, *divisor)
    np.testing.assert_allclose((dx * x).sum(), (dy * y).sum(), rtol=1e-9, atol=1e-9)


@IMPLEMENTATIONS
def test_padding_counts_unless_told_not_to(pool):
    x = np.ones((1, 1, 2, 2), np.float32)
    window = ((2, 2), (2, 2), (1, 1))
    np.testing.assert_array_equal(pool.forward(x, *window, False, True, None), np.full((1, 1, 2, 2), 0.25))
    np.testing.assert_array_equal(pool.forward(x, *window, False, False, None), np.ones((1, 1, 2, 2)))


@IMPLEMENTATIONS
def test_nan_and_infinity_stay_in_their_window(pool):
    x = np.zeros((1, 1, 2, 6), np.float32)
    x[0, 0, 0, 0], x[0, 0, 1, 3] = np.nan, np.inf
    y = pool.forward(x, (2, 2), (2, 2), (0, 0), False, True, None)
    np.testing.assert_array_equal(y[0, 0, 0], [np.nan, np.inf, 0])
