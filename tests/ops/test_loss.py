"""Losses against PyTorch and plain formulas: reductions, weights, ignored targets, extremes, refusals."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from parity import agrees

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.ops.loss import SoftmaxCrossEntropy

rng = np.random.default_rng(5)
REDUCTIONS = ["none", "mean", "sum"]


def normal(*shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


def labels(classes, *shape, ignored=None):
    target = np.asarray(rng.integers(0, classes, shape))
    if ignored is not None and target.size > 1:
        target.flat[::3] = ignored
    return target


LAYOUTS = [((5,), ()), ((4, 5), (4,)), ((2, 5, 3), (2, 3)), ((2, 5, 2, 3), (2, 2, 3))]


@pytest.mark.parametrize(("shape", "target_shape"), LAYOUTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_classes_as_pytorch(shape, target_shape, reduction, weighted):
    for ignored, smoothing in itertools.product([None, -100, 2], [0.0, 0.2]):
        options = dict(reduction=reduction, label_smoothing=smoothing)
        if weighted:
            options["weight"] = rng.uniform(0.5, 2, 5)
        if ignored is not None:
            options["ignore_index"] = ignored
        target = labels(5, *target_shape, ignored=ignored)
        agrees("cross_entropy", normal(*shape), target, **options)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 5, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_of_probabilities_as_pytorch(shape, reduction, smoothing):
    target = rng.dirichlet(np.ones(5), size=shape[:1] + shape[2:]) if len(shape) > 1 else rng.dirichlet(np.ones(5))
    target = np.moveaxis(target, -1, 1 if len(shape) > 1 else 0)
    for weight in (None, rng.uniform(0.5, 2, 5)):
        agrees("cross_entropy", normal(*shape), target, weight=weight, reduction=reduction, label_smoothing=smoothing)


@pytest.mark.parametrize(("shape", "target_shape"), LAYOUTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss_as_pytorch(shape, target_shape, reduction):
    for ignored, weight in itertools.product([-100, 1], [None, rng.uniform(0.5, 2, 5)]):
        target = labels(5, *target_shape, ignored=ignored)
        agrees("nll_loss", normal(*shape), target, weight=weight, ignore_index=ignored, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_kernel_equals_definition(smoothing, reduction):
    logits, target = mg.tensor(normal(6, 4)), mg.tensor(labels(4, 6, ignored=-100))
    for weight in (None, mg.tensor(rng.uniform(0.5, 2, 4))):
        arguments = logits, target, weight, -100, smoothing, reduction
        np.testing.assert_allclose(
            SoftmaxCrossEntropy.apply(*arguments).numpy(),
            SoftmaxCrossEntropy.definition(*arguments).numpy(),
            atol=1e-12,
        )


def test_cross_entropy_derivatives():
    logits, target = mg.tensor(normal(3, 4)).requires_grad_(), mg.tensor([0, -100, 3])
    for smoothing in (0.0, 0.2):
        assert gradcheck(lambda x, s=smoothing: F.cross_entropy(x, target, label_smoothing=s), (logits,))
        assert gradgradcheck(lambda x, s=smoothing: F.cross_entropy(x, target, label_smoothing=s), (logits,))


def test_cross_entropy_of_huge_logits():
    logits = mg.tensor([[1000.0, -1000.0, 0.0], [1e30, -1e30, 1e30]], requires_grad=True)
    losses = F.cross_entropy(logits, mg.tensor([1, 0]), reduction="none")
    np.testing.assert_allclose(losses.detach().numpy(), [2000, np.log(2)], rtol=1e-6)
    losses.sum().backward()
    np.testing.assert_allclose(logits.grad.numpy(), [[1, -1, 0], [-0.5, 0, 0.5]], atol=1e-7)


def test_mean_over_no_target_is_nan_and_its_sum_zero():
    logits = mg.tensor(normal(2, 3, dtype="float32"))
    ignored = mg.tensor([-100, -100])
    for function in (F.cross_entropy, F.nll_loss):
        assert np.isnan(function(logits, ignored).item())
        assert function(logits, ignored, reduction="sum").item() == 0
        assert np.isnan(function(mg.zeros(0, 3), mg.zeros(0, dtype=mg.int64)).item())


@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("wrong", [5, -1])
def test_targets_out_of_range(function, wrong):
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        function(mg.zeros(3, 5), mg.tensor([0, wrong, -100]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_unmutated_inputs(dtype):
    logits, target = normal(3, 4, dtype=dtype), labels(4, 3)
    before = logits.copy(), target.copy()
    x = mg.from_numpy(logits).requires_grad_()
    loss = F.cross_entropy(x, mg.from_numpy(target))
    loss.backward()
    assert str(loss.dtype) == str(x.grad.dtype) == dtype
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(target, before[1])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropies_as_pytorch(reduction):
    probability, target = rng.uniform(0.05, 0.95, (3, 4)), rng.uniform(0, 1, (3, 4))
    agrees("binary_cross_entropy", probability, target, reduction=reduction)
    agrees("binary_cross_entropy", probability, target, weight=rng.uniform(1, 2, 4), reduction=reduction)
    logits = 5 * normal(3, 4)
    agrees("binary_cross_entropy_with_logits", logits, target, reduction=reduction)
    weights = dict(weight=rng.uniform(1, 2, (3, 1)), pos_weight=rng.uniform(1, 3, 4))
    agrees("binary_cross_entropy_with_logits", logits, target, reduction=reduction, **weights)


def test_binary_cross_entropy_cuts_logarithms_at_minus_100():
    probability = mg.tensor([0.0, 1.0, 1.0, 0.0], requires_grad=True)
    losses = F.binary_cross_entropy(probability, mg.tensor([1.0, 0.0, 1.0, 0.0]), reduction="none")
    assert losses.tolist() == [100, 100, 0, 0]
    losses.sum().backward()
    np.testing.assert_allclose(probability.grad.numpy(), [-1e12, 1e12, 0, 0], rtol=1e-6)


def test_binary_cross_entropy_with_huge_logits():
    logits = mg.tensor([1000.0, -1000.0, 1000.0], requires_grad=True)
    losses = F.binary_cross_entropy_with_logits(logits, mg.tensor([1.0, 1.0, 0.0]), reduction="none")
    assert losses.tolist() == [0, 1000, 1000]
    losses.sum().backward()
    assert logits.grad.tolist() == [0, -1, 1]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_regression_losses_as_pytorch(reduction):
    x, y, weight = normal(3, 4), normal(3, 4), rng.uniform(0.5, 2, (3, 4))
    for name in ("mse_loss", "l1_loss"):
        agrees(name, x, y, reduction=reduction)
        agrees(name, x, y, weight=weight, reduction=reduction)
    for beta in (0.0, 0.5, 1.0, 3.0):
        agrees("smooth_l1_loss", x, y, beta=beta, reduction=reduction)


def test_kinks_of_regression_losses():
    x = mg.tensor([0.0, 1.0, -1.0], requires_grad=True)
    (l1,) = mg.autograd.grad(F.l1_loss(x, mg.zeros(3), reduction="sum"), x)
    (smooth,) = mg.autograd.grad(F.smooth_l1_loss(x, mg.zeros(3), reduction="sum"), x)
    assert l1.tolist() == [0, 1, -1]
    assert smooth.tolist() == [0, 1, -1]


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss"])
def test_broadcast_targets_are_warned_of(name):
    function = getattr(F, name)
    with pytest.warns(
        UserWarning, match=r"Using a target size \(\[2, 1\]\) that is different to the input size \(\[2\]\)"
    ):
        function(mg.zeros(2), mg.zeros(2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(mg.zeros(2), mg.zeros(2))


def test_older_reduction_flags():
    x, y = mg.zeros(2), mg.ones(2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, y, size_average=False).item() == 2
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.mse_loss(x, y, reduce=False).shape == (2,)


def test_one_hot():
    assert F.one_hot(mg.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    hot = F.one_hot(mg.tensor([[1], [3]]), 5)
    assert hot.shape == (2, 1, 5)
    assert hot.dtype == mg.int64
    assert F.one_hot(mg.tensor(1), 2).tolist() == [0, 1]
    assert F.one_hot(mg.zeros(0, dtype=mg.int64), 3).shape == (0, 3)


LOGITS, TARGET = mg.zeros(3, 5), mg.zeros(3, dtype=mg.int64)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.cross_entropy(LOGITS, TARGET[:2]), ValueError, r"batch_size \(3\) to match target batch_size \(2\)"),
        (lambda: F.cross_entropy(LOGITS, TARGET.int()), RuntimeError, "target dtype to be int64.*got int32"),
        (lambda: F.cross_entropy(LOGITS, TARGET.float()), RuntimeError, "target dtype to be int64.*got float32"),
        (lambda: F.cross_entropy(LOGITS, TARGET.reshape(3, 1)), RuntimeError, r"target size \[3\].*got \[3, 1\]"),
        (lambda: F.cross_entropy(mg.zeros(3, 5, 2), TARGET), RuntimeError, r"target size \[3, 2\].*got \[3\]"),
        (lambda: F.cross_entropy(LOGITS, LOGITS.long()), RuntimeError, "floating point type for target"),
        (lambda: F.cross_entropy(LOGITS, LOGITS, ignore_index=1), RuntimeError, "ignore_index is not supported"),
        (lambda: F.cross_entropy(LOGITS, TARGET, mg.ones(4)), RuntimeError, "all 5 classes or no classes"),
        (lambda: F.cross_entropy(LOGITS, LOGITS, mg.ones(4)), RuntimeError, "all 5 classes or no classes"),
        (lambda: F.cross_entropy(LOGITS, TARGET, mg.ones(5).double()), RuntimeError, "dtype float32, got float64"),
        (
            lambda: F.cross_entropy(LOGITS, TARGET, mg.ones(5, requires_grad=True)),
            RuntimeError,
            "not differentiable with respect to 'weight'",
        ),
        (lambda: F.cross_entropy(LOGITS, TARGET, label_smoothing=1.1), RuntimeError, "between 0.0 and 1.0. Got: 1.1"),
        (
            lambda: F.cross_entropy(LOGITS, TARGET, reduction="avg"),
            ValueError,
            "avg is not a valid value for reduction",
        ),
        (lambda: F.cross_entropy(LOGITS.long(), TARGET), RuntimeError, "floating point"),
        (lambda: F.cross_entropy(LOGITS, 3), TypeError, "'target' must be Tensor, not int"),
        (lambda: F.nll_loss(LOGITS, TARGET[:2]), ValueError, "to match target batch_size"),
        (lambda: F.nll_loss(LOGITS[0], TARGET), ValueError, r"got \[3\]"),
        (lambda: F.binary_cross_entropy(mg.tensor([1.5]), mg.ones(1)), RuntimeError, "between 0 and 1"),
        (lambda: F.binary_cross_entropy(mg.ones(3), mg.ones(4)), ValueError, r"target size \(\[4\]\)"),
        (lambda: F.binary_cross_entropy(mg.ones(3), mg.ones(3).double()), RuntimeError, "float64 but expected float32"),
        (lambda: F.binary_cross_entropy(mg.ones(3), mg.ones(3).long()), RuntimeError, "floating point"),
        (lambda: F.binary_cross_entropy_with_logits(mg.ones(3), mg.ones(4)), ValueError, "same as input size"),
        (lambda: F.mse_loss(TARGET, TARGET), RuntimeError, "floating point"),
        (lambda: F.mse_loss(mg.ones(3), mg.ones(3), weight=mg.ones(2)), ValueError, "must have the same size"),
        (lambda: F.smooth_l1_loss(LOGITS, LOGITS, beta=-1), RuntimeError, "negative values for beta"),
        (lambda: F.one_hot(TARGET.int()), RuntimeError, "index tensor of type int64"),
        (lambda: F.one_hot(TARGET, 2.5), TypeError, "'num_classes' must be int, not float"),
        (lambda: F.one_hot(mg.tensor([-1])), RuntimeError, "non-negative"),
        (lambda: F.one_hot(mg.tensor([3]), 3), RuntimeError, "smaller than num_classes"),
        (lambda: F.one_hot(TARGET[:0]), RuntimeError, "Can not infer total number of classes"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
