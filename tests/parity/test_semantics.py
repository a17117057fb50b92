"""PyTorch's conventions where mathematics leaves a choice, as measured on PyTorch 2.13; here by plain numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

INF, NAN = math.inf, math.nan


def derivative(function, *values) -> list:
    """The derivative of ``function(x).sum()`` at x."""
    x = mg.tensor(*values, dtype=mg.float64, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (F.relu, 0.0, 0.0),
        (mg.abs, 0.0, 0.0),
        (mg.abs, NAN, 0.0),
        (mg.norm, [0.0, 0.0], [0.0, 0.0]),
        (mg.sqrt, 0.0, INF),
        (lambda x: x.clamp(min=0), 0.0, 1.0),
        (lambda x: x.clamp(max=0), 0.0, 1.0),
        (lambda x: mg.maximum(x, mg.zeros(1, dtype=mg.float64)), [0.0], [0.5]),
        (lambda x: mg.minimum(x, mg.zeros(1, dtype=mg.float64)), [0.0], [0.5]),
        (mg.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
        (mg.min, [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
        (lambda x: x.amax(0), [3.0, 3.0, 3.0], [1 / 3, 1 / 3, 1 / 3]),
        (lambda x: x.max(dim=0).values, [1.0, 3.0, 3.0], [0.0, 1.0, 0.0]),
        (lambda x: x.min(dim=0).values, [1.0, 1.0, 3.0], [1.0, 0.0, 0.0]),
        (lambda x: x - x, 2.0, 0.0),
        (lambda x: x / x, 2.0, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x.prod(), [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (mg.floor, 1.5, 0.0),
        (lambda x: F.leaky_relu(x, 0.1), 0.0, 0.1),
    ],
)
def test_derivatives_at_kinks_ties_and_zero(function, at, expected):
    assert derivative(function, at) == pytest.approx(expected)


def test_the_sign_of_nan_is_0():
    assert mg.sign(mg.tensor([NAN, -INF, 0.0])).tolist() == [0.0, -1.0, 0.0]


def test_max_along_a_dimension_picks_the_first():
    values, indices = mg.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]]).max(dim=1)
    assert (values.tolist(), indices.tolist()) == ([3.0, 2.0], [1, 0])


def test_max_pool_picks_the_first_in_row_major_window_order():
    gradient = derivative(lambda x: F.max_pool2d(x, 2), [[[[5.0, 5.0], [5.0, 5.0]]]])
    assert gradient == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_max_pool_pads_with_minus_infinity():
    x = mg.full((1, 1, 2, 2), -3.0)
    assert F.max_pool2d(x, 3, stride=1, padding=1).tolist() == x.tolist()


def test_max_pool_passes_nan_on():
    y = F.max_pool2d(mg.tensor([[[[1.0, NAN, 4.0], [2.0, 3.0, 5.0]]]]), (2, 2), stride=1)
    assert np.isnan(y.numpy()).all()


def test_max_pool_refuses_padding_beyond_half_the_kernel():
    with pytest.raises(RuntimeError, match="pad"):
        F.max_pool2d(mg.ones(1, 1, 8, 8), 3, padding=2)


def test_cross_entropy_ignores_minus_100():
    logits = mg.tensor([[0.0, 0.0], [9.0, -9.0]])
    assert F.cross_entropy(logits, mg.tensor([1, -100])).item() == pytest.approx(math.log(2))


def test_the_mean_cross_entropy_over_no_target_is_nan():
    assert math.isnan(F.cross_entropy(mg.ones(2, 3), mg.tensor([-100, -100])).item())
    assert F.cross_entropy(mg.ones(2, 3), mg.tensor([-100, -100]), reduction="sum").item() == 0


@pytest.mark.parametrize("target", [5, -1])
def test_cross_entropy_refuses_a_class_out_of_range(target):
    with pytest.raises(IndexError, match=f"Target {target} is out of bounds."):
        F.cross_entropy(mg.ones(1, 5), mg.tensor([target]))


def test_cross_entropy_stands_huge_logits():
    logits = mg.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(logits, mg.tensor([0, 0]), reduction="none")
    assert loss.tolist() == [0.0, 1000.0]
    loss.sum().backward()
    assert logits.grad.tolist() == [[0.0, 0.0], [-1.0, 1.0]]


def test_batch_norm_normalises_with_the_biased_variance_and_remembers_the_unbiased():
    mean, var = mg.zeros(1, dtype=mg.float64), mg.zeros(1, dtype=mg.float64)
    x = mg.tensor([[1.0], [2.0], [6.0]], dtype=mg.float64)  # mean 3, squares 4 + 1 + 9 = 14
    y = F.batch_norm(x, mean, var, training=True, momentum=1.0, eps=1e-12)
    assert y.flatten().tolist() == pytest.approx([value / math.sqrt(14 / 3) for value in (-2, -1, 3)])
    assert (mean.item(), var.item()) == pytest.approx((3.0, 14 / 2))


def test_batch_norm_refuses_one_value_per_channel_in_training():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F.batch_norm(mg.ones(1, 3), mg.zeros(3), mg.ones(3), training=True)


def test_sizes_that_do_not_divide_are_rounded_down():
    assert F.conv2d(mg.ones(1, 1, 6, 6), mg.ones(1, 1, 3, 3), stride=2).shape == (1, 1, 2, 2)
    assert F.max_pool2d(mg.ones(1, 1, 5, 5), 2).shape == (1, 1, 2, 2)


def test_dtypes_are_promoted_by_kind_first():
    x, n = mg.ones(2), mg.ones(2, dtype=mg.int64)
    assert (x + n).dtype == (x + 1).dtype == (n + 1.0).dtype == (n / n).dtype == mg.float32
    assert (x + mg.tensor(1.0, dtype=mg.float64)).dtype == mg.float32  # 0-d gives way within a kind
    assert (mg.ones(2, dtype=mg.bool) + mg.ones(2, dtype=mg.bool)).dtype == mg.bool
    assert mg.ones(2, dtype=mg.uint8).sum().dtype == mg.int64


def test_a_float32_loss_gives_float32_gradients():
    x = mg.ones(3, requires_grad=True)
    (x * np.float64(2) + mg.ones(3, dtype=mg.float64)).mean().backward()
    assert x.grad.dtype == mg.float32
