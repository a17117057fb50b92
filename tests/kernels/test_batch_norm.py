"""Batch normalisation: CPU against reference, reference against PyTorch and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS, assert_same_on_one_thread, channels_last

from minigrad.kernels.batch_norm import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("norm", [reference, cpu], ids=["reference", "cpu"])
EPS = 1e-5


@st.composite
def problems(draw, dtypes=(np.float32, np.float64), least=0):
    """x, dy, weight, bias, running mean and variance."""
    shape = draw(
        st.tuples(st.integers(least, 6), st.integers(1, 7))
        | st.tuples(st.integers(least, 4), st.integers(1, 5), st.integers(1, 9))
        | st.tuples(st.integers(least, 4), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = draw(st.sampled_from(dtypes))
    layouts = st.sampled_from(sorted(LAYOUTS))
    x, dy = (LAYOUTS[draw(layouts)]((rng.standard_normal(shape) + shift).astype(dtype)) for shift in (3, 0.1))
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) if draw(st.booleans()) else None for _ in range(2))
    mean, var = rng.standard_normal(shape[1]).astype(dtype), rng.random(shape[1]).astype(dtype)
    return x, dy, weight, bias, mean, var


def forward(norm, x, weight, bias, eps, *fused):
    """y, mean and invstd."""
    mean, invstd = norm.statistics(x, eps)
    return norm.normalize(x, weight, bias, mean, invstd, *fused), mean, invstd


def assert_close(actual, expected, tolerance):
    for a, e in zip(actual, expected, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_cpu_equals_reference(problem):
    x, dy, weight, bias, mean, var = problem
    tolerance = 1e-4 if x.dtype == np.float32 else 1e-10
    before = x.copy()
    # A large eps keeps a channel of one or two elements well conditioned.
    assert_close(forward(cpu, x, weight, bias, 0.1), forward(reference, x, weight, bias, 0.1), tolerance)
    _, mean, invstd = forward(reference, x, weight, bias, 0.1)
    assert_close(
        cpu.backward(dy, x, weight, mean, invstd),
        reference.backward(dy, x, weight, mean, invstd),
        tolerance,
    )
    np.testing.assert_array_equal(x, before)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(sorted(LAYOUTS)))
def test_relu_in_one_pass_equals_reference(problem, layout):
    x, dy, weight, bias, mean, var = problem
    tolerance = 1e-4 if x.dtype == np.float32 else 1e-10
    expected = forward(reference, x, weight, bias, 0.1, True)
    assert_close(forward(cpu, x, weight, bias, 0.1, True), expected, tolerance)
    y, mean, invstd = expected
    arguments = dy, x, weight, mean, invstd, LAYOUTS[layout](y)
    assert_close(cpu.backward(*arguments), reference.backward(*arguments), tolerance)


@settings(max_examples=40, deadline=None)
@given(problems(dtypes=(np.float64,), least=2))
def test_reference_equals_pytorch(problem):
    torch = pytest.importorskip("torch")
    x, dy, weight, bias, mean, var = problem
    tensors = [None if a is None else torch.tensor(a.copy(), requires_grad=True) for a in (x, weight, bias)]
    expected = torch.nn.functional.batch_norm(tensors[0], None, None, *tensors[1:], training=True, eps=0.1)
    y, batch_mean, invstd = forward(reference, x, weight, bias, 0.1)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    expected.backward(torch.from_numpy(dy.copy()))
    grads = reference.backward(dy, x, weight, batch_mean, invstd)
    for grad, tensor in zip(grads, tensors, strict=True):
        if tensor is not None:
            np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-9, atol=1e-9)

    torch_mean, torch_var = torch.from_numpy(mean), torch.from_numpy(var)
    expected = torch.nn.functional.batch_norm(tensors[0], torch_mean, torch_var, *tensors[1:], eps=0.1)
    y = reference.normalize(x, weight, bias, mean, 1 / np.sqrt(var + 0.1))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@IMPLEMENTATIONS
def test_backward_is_the_slope_of_forward(norm, layout):
    rng = np.random.default_rng(0)
    x, dx, dy = (LAYOUTS[layout](a) for a in rng.standard_normal((3, 3, 4, 2, 5)))
    w, dw, b, db = rng.standard_normal((4, 4))
    h = 1e-6
    up, down = (forward(norm, x + s * dx, w + s * dw, b + s * db, EPS)[0] for s in (h, -h))
    grads = norm.backward(dy, x, w, *forward(norm, x, w, b, EPS)[1:])
    slope = sum((g * d).sum() for g, d in zip(grads, (dx, dw, db), strict=True))
    np.testing.assert_allclose(slope, (dy * (up - down)).sum() / (2 * h), rtol=1e-7)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@IMPLEMENTATIONS
def test_backward_through_relu_is_the_slope(norm, layout):
    rng = np.random.default_rng(1)
    x, dx, dy = (LAYOUTS[layout](a) for a in rng.standard_normal((3, 3, 4, 2, 5)))
    w, dw, b, db = rng.standard_normal((4, 4))
    h = 1e-6
    up, down = (forward(norm, x + s * dx, w + s * dw, b + s * db, EPS, True)[0] for s in (h, -h))
    y, *statistics = forward(norm, x, w, b, EPS, True)
    assert 0 < (y == 0).sum() < y.size
    grads = norm.backward(dy, x, w, *statistics, y)
    slope = sum((g * d).sum() for g, d in zip(grads, (dx, dw, db), strict=True))
    np.testing.assert_allclose(slope, (dy * (up - down)).sum() / (2 * h), rtol=1e-7)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@IMPLEMENTATIONS
def test_a_large_mean_does_not_swallow_the_variance(norm, layout):
    """100,000 float32 values near 1000 with standard deviation 0.5: their squares' sum would lose it."""
    x = (1000 + 0.5 * np.random.default_rng(0).standard_normal((10, 2, 100, 100))).astype(np.float32)
    _, mean, invstd = forward(norm, LAYOUTS[layout](x), None, None, EPS)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(invstd, 1 / np.sqrt(exact.var((0, 2, 3)) + EPS), rtol=1e-6)


@IMPLEMENTATIONS
def test_an_outlier_among_the_first_rows_does_not_swallow_the_variance(norm):
    """Deviations are first taken from the mean of the first rows, which lies far off here."""
    x = np.random.default_rng(0).standard_normal((4096, 3)).astype(np.float32)
    x[5] = 1e4
    _, mean, invstd = forward(norm, x, None, None, EPS)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-5)
    np.testing.assert_allclose(invstd, 1 / np.sqrt(exact.var(0) + EPS), rtol=1e-6)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@IMPLEMENTATIONS
def test_nan_and_infinity_spoil_their_channel_only(norm, layout, bad):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    x[1, 1, 2, 2] = bad
    x = LAYOUTS[layout](x)
    with np.errstate(invalid="ignore"):
        y, mean, invstd = forward(norm, x, None, None, EPS, True)
        dx, _, _ = norm.backward(np.ones_like(x), x, None, mean, invstd)
    for result in (y, dx):
        assert np.isnan(result[:, 1]).all() and np.isfinite(result[:, [0, 2]]).all()


@pytest.mark.parametrize("shape", [(4, 3, 50, 50), (70_000, 3)])
def test_no_result_depends_on_the_thread_count(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def run():
        y, mean, invstd = forward(cpu, x, None, None, EPS)
        return y, mean, invstd, *cpu.backward(y, x, mean, mean, invstd)

    assert_same_on_one_thread(run)


def test_layout_is_kept():
    x = channels_last(np.zeros((2, 3, 4, 5), np.float32))
    y, mean, invstd = forward(cpu, x, None, None, EPS)
    dx, _, _ = cpu.backward(np.ascontiguousarray(x), x, None, mean, invstd)
    assert y.strides == dx.strides == x.strides
