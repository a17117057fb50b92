"""Local response normalisation: CPU against reference, reference against PyTorch and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.local_response_norm import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("norm", [reference, cpu], ids=["reference", "cpu"])


@st.composite
def problems(draw):
    """x, dy (N, C, ...) in any layout, and size, alpha, beta, k."""
    shape = draw(
        st.tuples(st.integers(0, 3), st.integers(1, 8), st.integers(1, 7))
        | st.tuples(st.integers(0, 2), st.integers(1, 6), st.integers(1, 20), st.integers(1, 20))
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x, dy = rng.standard_normal((2, *shape))
    layout = draw(st.sampled_from(["contiguous", "channels last", "flipped"]))
    if layout == "channels last":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    elif layout == "flipped":
        x = x[:, ::-1]
    parameters = draw(st.integers(1, 9)), 0.3, draw(st.sampled_from([0.75, 0.5, 1.3])), 2.0
    return x, dy, parameters


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([np.float32, np.float64]))
def test_cpu_equals_reference(problem, dtype):
    x, dy, (size, alpha, beta, k) = problem
    x, dy = x.astype(dtype, order="K"), dy.astype(dtype, order="K")
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    expected_y, expected_scale = reference.forward(x, size, alpha, beta, k)
    y, scale = cpu.forward(x, size, alpha, beta, k)
    np.testing.assert_allclose(y, expected_y, rtol=tolerance, atol=tolerance, strict=True)
    np.testing.assert_allclose(scale, expected_scale, rtol=tolerance, atol=tolerance, strict=True)
    dx = cpu.backward(dy, x, scale, size, alpha, beta)
    expected = reference.backward(dy, x, expected_scale, size, alpha, beta)
    np.testing.assert_allclose(dx, expected, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_reference_equals_pytorch(problem):
    torch = pytest.importorskip("torch")
    x, dy, (size, alpha, beta, k) = problem
    y, scale = reference.forward(x, size, alpha, beta, k)
    tx = torch.tensor(x.copy(), requires_grad=True)
    expected = torch.nn.functional.local_response_norm(tx, size, alpha, beta, k)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    expected.backward(torch.from_numpy(dy))
    dx = reference.backward(dy, x, scale, size, alpha, beta)
    np.testing.assert_allclose(dx, tx.grad.numpy() if len(x) else dx, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5])
@IMPLEMENTATIONS
def test_backward_is_the_slope_of_forward(norm, size):
    x, direction, dy = np.random.default_rng(0).standard_normal((3, 2, 6, 4, 4))
    h = 1e-6
    up, down = (norm.forward(x + s * direction, size, 0.5, 0.75, 1.0)[0] for s in (h, -h))
    _, scale = norm.forward(x, size, 0.5, 0.75, 1.0)
    slope = (norm.backward(dy, x, scale, size, 0.5, 0.75) * direction).sum()
    np.testing.assert_allclose(slope, (dy * (up - down)).sum() / (2 * h), rtol=1e-7)


@IMPLEMENTATIONS
def test_nan_stays_in_the_windows_that_hold_it(norm):
    x = np.ones((1, 7, 2), np.float32)
    x[0, 3, 0] = np.nan
    y, scale = norm.forward(x, 3, 1.0, 0.75, 1.0)
    bad = np.zeros(x.shape, bool)
    bad[0, 2:5, 0] = True
    np.testing.assert_array_equal(np.isnan(y), bad)
    bad[0, 1:6, 0] = True
    np.testing.assert_array_equal(np.isnan(norm.backward(np.ones_like(x), x, scale, 3, 1.0, 0.75)), bad)
