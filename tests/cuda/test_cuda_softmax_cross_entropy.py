"""Softmax and cross-entropy on the GPU against the reference, for teams of threads of every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.softmax_cross_entropy import cuda, reference


@st.composite
def problems(draw):
    """logits, target, weight, ignore_index, label_smoothing; logits of up to thousands."""
    n, classes = draw(st.integers(0, 19)), draw(st.sampled_from([1, 2, 3, 10, 16, 31, 70]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    logits = (draw(st.sampled_from([1, 100, 3000])) * rng.standard_normal((n, classes))).astype(dtype)
    target = rng.integers(0, classes, n)
    ignore_index = draw(st.sampled_from([-100, 0, classes - 1]))
    if ignore_index == -100:
        target[rng.random(n) < 0.3] = -100
    weight = rng.random(classes).astype(dtype) if draw(st.booleans()) else None
    return logits, target, weight, ignore_index, draw(st.sampled_from([0.0, 0.1, 1.0]))


def on_gpu(xp, logits, target, weight, *rest):
    """The losses, log-probabilities and gradients that the kernels give."""
    target, weight = xp.asarray(target), None if weight is None else xp.asarray(weight)
    losses, log_p = cuda.forward(xp.asarray(logits), target, weight, *rest)
    dlosses = np.linspace(-1, 2, len(logits)).astype(logits.dtype)
    dlogits = cuda.backward(xp.asarray(dlosses), log_p, target, weight, *rest)
    return losses.get(), log_p.get(), dlogits.get()


def on_cpu(logits, *rest):
    losses, log_p = reference.forward(logits, *rest)
    dlosses = np.linspace(-1, 2, len(logits)).astype(logits.dtype)
    return losses, log_p, reference.backward(dlosses, log_p, *rest)


def assert_same(problem, results):
    tolerance = 1e-5 if problem[0].dtype == np.float32 else 1e-12
    for mine, expected in zip(results, on_cpu(*problem), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([16, 1024]))
def test_kernels_equal_the_reference(xp, problem, warp_classes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "WARP_CLASSES", warp_classes)  # more classes than that take a block a row
        assert_same(problem, on_gpu(xp, *problem))


def test_more_classes_than_a_warp_takes(xp):
    rng = np.random.default_rng(0)
    problem = rng.standard_normal((2, 1100)), np.array([1099, 0]), rng.random(1100), -100, 0.1
    assert_same(problem, on_gpu(xp, *problem))


def test_nan_and_infinity_show(xp):
    inf = np.inf
    logits = np.array([[0, np.nan], [np.nan, 0], [inf, 0], [-inf, -inf], [-inf, 0], [-inf, 0]], np.float32)
    target = np.array([0, 1, 0, 0, 1, 0])
    losses, _, dlogits = on_gpu(xp, logits, target, None, -100, 0.0)
    np.testing.assert_array_equal(losses, np.array([np.nan, np.nan, np.nan, np.nan, 0, inf], np.float32))
    assert np.isnan(dlogits[:4]).all()
    np.testing.assert_allclose(dlogits[4:], [[0, 0], [-2, 2]], rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(problems(), st.sampled_from([1, 4096]))
def test_mean_is_that_of_the_targets_that_count(xp, problem, rows):
    logits, target, weight, ignore_index, smoothing = problem
    losses, log_p = reference.forward(*problem)
    kept = target != ignore_index
    divisor = kept.sum() if weight is None else weight[target[kept]].sum(dtype=np.float64)
    on_gpu = xp.asarray(target), None if weight is None else xp.asarray(weight)
    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(cuda, "ROWS", rows)
        mean, found = cuda.mean(xp.asarray(losses), *on_gpu, logits.shape[1], ignore_index)
        np.testing.assert_allclose(mean.get(), losses.sum(dtype=np.float64) / divisor, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(found.get(), divisor, rtol=1e-6)
    dlosses = xp.broadcast_to(xp.asarray(np.array(0.3, losses.dtype)), losses.shape)
    np.testing.assert_allclose(
        cuda.backward(dlosses, xp.asarray(log_p), *on_gpu, ignore_index, smoothing).get(),
        reference.backward(np.full_like(losses, 0.3), log_p, *problem[1:]),
        rtol=1e-5,
        atol=1e-6,
    )


def test_targets_out_of_range_are_nan_and_counted(xp):
    logits = np.zeros((5, 3), np.float32)
    counter = cuda.out_of_range(xp.asarray(logits))
    before = int(counter.get()[0])
    losses, _, dlogits = on_gpu(xp, logits, np.array([0, 3, -1, -100, 2]), None, -100, 0.0)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, True, False, False])
    np.testing.assert_array_equal(np.isnan(dlogits), np.isnan(losses)[:, None].repeat(3, 1))
    assert int(counter.get()[0]) - before == 2
    counter[...] = 0


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("classes", [10, 40])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, classes, monkeypatch):
    monkeypatch.setattr(cuda, "WARP_CLASSES", 32)
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((3, classes)).astype(np.float32), np.array([1, -100, classes - 1])
    problem = logits, target, rng.random(classes).astype(np.float32), -100, 0.1
    with simulate(mode=mode, order=3):
        assert_same(problem, on_gpu(xp, *problem))


def test_results_do_not_depend_on_the_order_of_threads(xp):
    rng = np.random.default_rng(0)
    problem = rng.standard_normal((40, 50)).astype(np.float32), rng.integers(0, 50, 40), None, -100, 0.1
    results = on_gpu(xp, *problem)
    with simulate(order=5):
        others = on_gpu(xp, *problem)
    for first, again in zip(results, others, strict=True):
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_tensors_equals_the_cpu(reduction, weighted):
    rng = np.random.default_rng(0)
    logits, labels, weight = rng.standard_normal((6, 4)), np.array([0, 3, -100, 1, 1, 2]), rng.random(4)
    found = []
    for device in ("cpu", "cuda"):
        x = mg.tensor(logits, device=device, requires_grad=True)
        loss = mg.nn.functional.cross_entropy(
            x,
            mg.tensor(labels, device=device),
            mg.tensor(weight, device=device) if weighted else None,
            reduction=reduction,
            label_smoothing=0.1,
        )
        (loss * loss).sum().backward()
        found.append([loss.detach().cpu().numpy(), x.grad.cpu().numpy()])
    for mine, expected in zip(*reversed(found), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-15, strict=True)
