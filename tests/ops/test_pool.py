"""Pooling: every geometry against PyTorch, ties, padding, NaN, indices, derivatives, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity import agrees

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(11)


def distinct(*shape):
    """Values without ties, so that a maximum has a derivative."""
    return rng.permutation(int(np.prod(shape))).reshape(shape) / 7.0 - 3.0


@st.composite
def windows(draw, dilated=True):
    """(input shape, kernel size, stride, padding, dilation, ceil_mode) with at least one window."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if dilated else (1, 1)
    padding = tuple([draw(st.integers(0, k // 2)) for k in kernel])
    size = [dilation[d] * (kernel[d] - 1) + 1 + draw(st.integers(0, 5)) for d in (0, 1)]
    return (
        (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size),
        kernel,
        stride,
        padding,
        dilation,
        draw(st.booleans()),
    )


@settings(max_examples=40, deadline=None)
@given(windows())
def test_max_pool_as_pytorch(window):
    shape, kernel, stride, padding, dilation, ceil_mode = window
    agrees(
        "max_pool2d",
        distinct(*shape),
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        return_indices=True,
    )


@settings(max_examples=30, deadline=None)
@given(windows())
def test_max_pool_indices_as_pytorch(window):
    torch = pytest.importorskip("torch")
    shape, *geometry = window
    # Few different values: ties decide the index.
    x = rng.integers(0, 3, shape).astype("float32")
    y, index = F.max_pool2d(mg.tensor(x), *geometry, return_indices=True)
    expected, places = torch.nn.functional.max_pool2d(torch.tensor(x), *geometry, return_indices=True)
    assert index.dtype == mg.int64
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_array_equal(index.numpy(), places.numpy())


@settings(max_examples=40, deadline=None)
@given(windows(dilated=False), st.booleans(), st.sampled_from([None, 3, -2]))
def test_avg_pool_as_pytorch(window, count_include_pad, divisor_override):
    shape, kernel, stride, padding, _, ceil_mode = window
    options = dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    options |= dict(count_include_pad=count_include_pad, divisor_override=divisor_override)
    agrees("avg_pool2d", rng.standard_normal(shape), second=False, **options)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_adaptive_pools_as_pytorch(size, output_size):
    x = distinct(2, 2, *size)
    agrees("adaptive_avg_pool2d", x, second=False, output_size=output_size)
    agrees("adaptive_max_pool2d", x, output_size=output_size, return_indices=True)


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_adaptive_windows_cover_as_the_formula_says(size, output_size):
    assume(size != output_size)
    x = distinct(1, 1, *size)
    mean = F.adaptive_avg_pool2d(mg.tensor(x), output_size).numpy()
    largest, index = F.adaptive_max_pool2d(mg.tensor(x), output_size, return_indices=True)
    for i in range(output_size[0]):
        rows = slice(i * size[0] // output_size[0], -(-(i + 1) * size[0] // output_size[0]))
        for j in range(output_size[1]):
            columns = slice(j * size[1] // output_size[1], -(-(j + 1) * size[1] // output_size[1]))
            np.testing.assert_allclose(mean[0, 0, i, j], x[0, 0, rows, columns].mean(), atol=1e-12)
            assert largest.numpy()[0, 0, i, j] == x[0, 0, rows, columns].max()
            assert x.ravel()[index.numpy()[0, 0, i, j]] == x[0, 0, rows, columns].max()


def test_adaptive_size_none_keeps_the_inputs():
    assert F.adaptive_avg_pool2d(mg.zeros(1, 2, 5, 6), (None, 3)).shape == (1, 2, 5, 3)
    assert F.adaptive_max_pool2d(mg.zeros(1, 2, 5, 6), (2, None)).shape == (1, 2, 2, 6)
    assert F.adaptive_avg_pool2d(mg.zeros(1, 2, 5, 6), 1).shape == (1, 2, 1, 1)


def test_adaptive_pools_of_no_windows():
    assert F.adaptive_avg_pool2d(mg.zeros(1, 2, 5, 6), (0, 3)).shape == (1, 2, 0, 3)
    assert F.adaptive_max_pool2d(mg.zeros(1, 2, 5, 6), (0, 4)).shape == (1, 2, 0, 4)


def test_padding_is_minus_infinity_not_zero():
    x = mg.full((1, 1, 2, 2), -5.0, requires_grad=True)
    y = F.max_pool2d(x, 2, 1, 1)
    assert (y.detach().numpy() == -5).all()
    y.sum().backward()
    assert x.grad.numpy().sum() == y.numel()


def test_first_of_equals_takes_the_gradient():
    x = mg.ones(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], np.kron(np.ones((2, 2)), [[1, 0], [0, 0]]))


def test_nan_is_passed_on():
    x = np.zeros((1, 1, 4, 4), "float32")
    x[0, 0, 1, 1] = np.nan
    y, index = F.max_pool2d(mg.tensor(x), 2, return_indices=True)
    assert np.isnan(y.numpy()).tolist() == [[[[True, False], [False, False]]]]
    assert index.numpy()[0, 0, 0, 0] == 5


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: F.adaptive_max_pool2d(x, (3, 2)),
    ],
)
def test_derivatives_batch_layout_and_dtype(pool):
    x = mg.tensor(distinct(2, 2, 5, 6)).requires_grad_()
    assert gradcheck(pool, (x,), fast_mode=True)
    assert gradgradcheck(lambda t: pool(t * t * t), (x,), fast_mode=True)
    y = pool(x).detach().numpy()
    np.testing.assert_allclose(pool(x.detach()[0]).numpy(), y[0], rtol=1e-12)
    lying = x.detach().contiguous(memory_format=mg.channels_last)
    np.testing.assert_allclose(pool(lying).numpy(), y, rtol=1e-12)
    assert pool(x.float()).dtype == mg.float32
    empty = mg.zeros(0, 2, 5, 6, requires_grad=True)
    pooled = pool(empty)
    assert pooled.shape == (0, *y.shape[1:])
    pooled.sum().backward()
    assert empty.grad.shape == (0, 2, 5, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.max_pool2d(x, 2, padding=2), "pad should be at most half of effective kernel size"),
        (lambda x: F.avg_pool2d(x, 3, padding=2), "pad should be at most half of effective kernel size"),
        (lambda x: F.max_pool2d(x, 5), r"input size: \(2x4x4\).*output size: \(2x0x0\)"),
        (lambda x: F.avg_pool2d(x, 5), "Output size is too small"),
        (lambda x: F.max_pool2d(x, 2, stride=0), "stride must be at least 1"),
        (lambda x: F.max_pool2d(x, 2, dilation=0), "dilation must be at least 1"),
        (lambda x: F.max_pool2d(x[:, :, :2, :2], 2, 1, 1, 3), "wholly in the padding"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
        (lambda x: F.max_pool2d(x[0, 0], 2), "Expected 3D or 4D"),
        (lambda x: F.max_pool2d(x[:, :0], 2), "Expected 3D or 4D"),
        (lambda x: F.max_pool2d(x.long(), 2), "floating point"),
        (lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size must be 2"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(RuntimeError, match=words):
        call(mg.zeros(1, 2, 4, 4))


def test_adaptive_pool_refuses_a_matrix_as_pytorch_does():
    with pytest.raises(ValueError, match="at least 3"):
        F.adaptive_avg_pool2d(mg.zeros(2, 2), 1)
