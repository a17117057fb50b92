"""Softmax and cross-entropy: CPU against reference, reference against PyTorch and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import assert_same_on_one_thread

from minigrad.kernels.softmax_cross_entropy import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("kernel", [reference, cpu], ids=["reference", "cpu"])


@st.composite
def problems(draw, dtypes=(np.float32, np.float64)):
    """logits, target, weight, ignore_index, label_smoothing; logits of up to thousands and in any layout."""
    n, classes = draw(st.integers(0, 7)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = draw(st.sampled_from(dtypes))
    scale = draw(st.sampled_from([1, 1, 100, 3000]))
    logits = (scale * rng.standard_normal((n, classes))).astype(dtype)
    layout = draw(st.sampled_from(["plain", "transposed", "flipped"]))
    if layout == "transposed":
        logits = np.asfortranarray(logits)
    elif layout == "flipped":
        logits = logits[::-1, ::-1]
    target = rng.integers(0, classes, n)
    ignore_index = draw(st.sampled_from([-100, 0, classes - 1]))
    if ignore_index == -100:
        target[rng.random(n) < 0.3] = -100
    weight = rng.random(classes).astype(dtype) if draw(st.booleans()) else None
    return logits, target, weight, ignore_index, draw(st.sampled_from([0.0, 0.1, 1.0]))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_cpu_equals_reference(problem):
    logits, *rest = problem
    tolerance = 1e-5 if logits.dtype == np.float32 else 1e-12
    before = logits.copy()
    losses, log_p = cpu.forward(logits, *rest)
    expected_losses, expected_log_p = reference.forward(logits, *rest)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=tolerance, strict=True)
    np.testing.assert_allclose(log_p, expected_log_p, rtol=tolerance, atol=tolerance, strict=True)
    np.testing.assert_array_equal(logits, before)
    dlosses = np.linspace(-1, 2, len(logits)).astype(logits.dtype)[::-1]
    np.testing.assert_allclose(
        cpu.backward(dlosses, log_p, *rest),
        reference.backward(dlosses, log_p, *rest),
        rtol=tolerance,
        atol=tolerance,
        strict=True,
    )


@settings(max_examples=60, deadline=None)
@given(problems(dtypes=(np.float64,)))
def test_reference_equals_pytorch(problem):
    torch = pytest.importorskip("torch")
    logits, target, weight, ignore_index, label_smoothing = problem
    tlogits = torch.tensor(logits.copy(), requires_grad=True)
    tlosses = torch.nn.functional.cross_entropy(
        tlogits,
        torch.from_numpy(target),
        weight=None if weight is None else torch.from_numpy(weight),
        ignore_index=ignore_index,
        reduction="none",
        label_smoothing=label_smoothing,
    )
    losses, log_p = reference.forward(*problem)
    np.testing.assert_allclose(losses, tlosses.detach().numpy(), rtol=1e-12, atol=1e-12)
    dlosses = np.linspace(-1, 2, len(target))
    tlosses.backward(torch.from_numpy(dlosses))
    dlogits = reference.backward(dlosses, log_p, *problem[1:])
    np.testing.assert_allclose(dlogits, tlogits.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@IMPLEMENTATIONS
def test_backward_is_the_slope_of_forward(kernel, weighted, label_smoothing):
    rng = np.random.default_rng(0)
    logits, direction = rng.standard_normal((2, 6, 4))
    target = np.array([0, 3, -100, 1, 1, 2])
    rest = (target, rng.random(4) if weighted else None, -100, label_smoothing)
    dlosses = rng.standard_normal(6)
    h = 1e-6
    up, down = (kernel.forward(logits + s * direction, *rest)[0] for s in (h, -h))
    _, log_p = kernel.forward(logits, *rest)
    slope = (kernel.backward(dlosses, log_p, *rest) * direction).sum()
    np.testing.assert_allclose(slope, (dlosses * (up - down)).sum() / (2 * h), rtol=1e-7)


@IMPLEMENTATIONS
def test_rows_of_thousands(kernel):
    logits = np.array([[1000, 0, -1000], [-5000, -5000, -5000]], np.float32)
    losses, log_p = kernel.forward(logits, np.array([1, 2]), None, -100, 0.0)
    np.testing.assert_allclose(losses, [1000, np.log(3)], rtol=1e-6)
    dlogits = kernel.backward(np.ones(2, np.float32), log_p, np.array([1, 2]), None, -100, 0.0)
    np.testing.assert_allclose(dlogits, [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3]], rtol=1e-6)


@IMPLEMENTATIONS
def test_nan_and_infinity_show(kernel):
    inf = np.inf
    logits = np.array([[0, np.nan], [np.nan, 0], [inf, 0], [-inf, -inf], [-inf, 0], [-inf, 0]], np.float32)
    target = np.array([0, 1, 0, 0, 1, 0])
    losses, log_p = kernel.forward(logits, target, None, -100, 0.0)
    np.testing.assert_array_equal(losses, np.array([np.nan, np.nan, np.nan, np.nan, 0, inf], np.float32))
    dlogits = kernel.backward(np.ones(6, np.float32), log_p, target, None, -100, 0.0)
    assert np.isnan(dlogits[:4]).all()
    np.testing.assert_array_equal(dlogits[4:], [[0, 0], [-1, 1]])


def test_no_result_depends_on_the_thread_count():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((65, 33)).astype(np.float32)
    problem = logits, rng.integers(0, 33, 65), None, -100, 0.1
    assert_same_on_one_thread(lambda: cpu.forward(*problem))
