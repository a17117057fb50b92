"""SGD, Adam and gradient clipping on the GPU against the reference; settings that lie in device memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import minigrad as mg
from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.optimizer import cuda, reference


@st.composite
def groups(draw, count):
    """`count` lists of arrays of equal shapes, now and then more than a launch takes, and of several blocks."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shapes = draw(st.lists(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), max_size=4))
    shapes += draw(st.sampled_from([[], [(3, 700)], [(3,)] * 70]))
    return [[np.asarray(rng.random(shape) - 0.5, dtype) for shape in shapes] for _ in range(count)]


def device_lists(xp, lists, channels_last=()):
    """The lists on the GPU; arrays of four dimensions in the lists of these numbers are channels-last."""

    def put(array, last):
        if not last or array.ndim != 4:
            return xp.asarray(array)
        return xp.asarray(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)

    return [arrays and [put(array, i in channels_last) for array in arrays] for i, arrays in enumerate(lists)]


def assert_same(on_device, expected):
    for mine, theirs in zip(on_device, expected, strict=True):
        for a, b in zip(mine or [], theirs or [], strict=True):
            tolerance = 1e-6 if b.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(a.get(), b, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=30, deadline=None)
@given(
    groups(3),
    st.sampled_from([(0.0, 0.0, False), (0.9, 0.2, False), (0.9, 0.0, True)]),
    st.sampled_from([0.0, 0.01]),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(0, 2)),
)
def test_sgd_equals_the_reference(xp, lists, momentum, decay, maximize, first_step, channels_last):
    momentum, dampening, nesterov = momentum
    if momentum == 0:
        lists[2] = None
    elif first_step:
        for buffer in lists[2]:
            buffer[...] = np.nan  # what it held before does not count
    rest = (0.1, momentum, dampening, decay, nesterov, maximize, first_step)
    mine = device_lists(xp, lists, channels_last)
    cuda.sgd(*mine, *rest)
    reference.sgd(*lists, *rest)
    assert_same(mine, lists)


@settings(max_examples=30, deadline=None)
@given(
    groups(5),
    st.booleans(),
    st.integers(1, 5),
    st.sampled_from([(0.0, False), (0.01, False), (0.01, True)]),
    st.booleans(),
    st.sets(st.integers(0, 4)),
)
def test_adam_equals_the_reference(xp, lists, amsgrad, step, decay, maximize, channels_last):
    for array in [*lists[3], *lists[4]]:
        np.abs(array, out=array)  # running means of squares
    if not amsgrad:
        lists[4] = None
    rest = (step, 0.01, 0.9, 0.999, 1e-8, *decay, maximize)
    mine = device_lists(xp, lists, channels_last)
    cuda.adam(*mine, *rest)
    reference.adam(*lists, *rest)
    assert_same(mine, lists)


def test_settings_in_device_memory_give_the_same_bits(xp):
    rng = np.random.default_rng(0)
    start = [[rng.random(n).astype(np.float32) for n in (5, 1500)] for _ in range(4)]
    lr, step = xp.asarray(np.array(0.03)), xp.asarray(np.array(3, np.float32))
    by_number, in_memory = device_lists(xp, start), device_lists(xp, start)
    cuda.sgd(*by_number[:2], None, 0.03, 0, 0, 0.01, False, False, False)
    cuda.sgd(*in_memory[:2], None, lr, 0, 0, 0.01, False, False, False)
    cuda.adam(*by_number, None, 3, 0.03, 0.9, 0.999, 1e-8, 0.01, True, False)
    cuda.adam(*in_memory, None, step, lr, 0.9, 0.999, 1e-8, 0.01, True, False)
    for one, other in zip(sum(by_number, []), sum(in_memory, []), strict=True):
        np.testing.assert_array_equal(one.get(), other.get())
    with pytest.raises(TypeError, match="must be one float64, got float32"):
        cuda.sgd(*by_number[:2], None, step, 0, 0, 0, False, False, False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_show(xp, bad):
    p, m, v, largest = (xp.zeros(4, np.float64) for _ in range(4))
    g = xp.asarray(np.array([1, bad, 1, 1.0]))
    cuda.sgd([p], [g], [m], 0.1, 0.9, 0.0, 0.0, False, False, True)
    assert not np.isfinite(p.get()[1]) and np.isfinite(p.get()[[0, 2, 3]]).all()
    m[...] = 0
    cuda.adam([p], [g], [m], [v], [largest], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False)
    assert not np.isfinite([p.get()[1], largest.get()[1]]).any() and np.isfinite(p.get()[[0, 2, 3]]).all()


@settings(max_examples=15, deadline=None)
@given(groups(1), st.sampled_from([0.01, 1e6]))
def test_norm_and_clip(xp, lists, max_norm):
    gradients = lists[0]
    if not gradients:
        return
    mine = device_lists(xp, lists, channels_last={0})[0]
    norm = cuda.norm(mine)
    expected = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
    np.testing.assert_allclose(norm.get(), expected, rtol=1e-6)
    assert norm.shape == () and norm.dtype == gradients[0].dtype
    with simulate(order=1):
        np.testing.assert_array_equal(cuda.norm(mine).get(), norm.get())
    cuda.clip(mine, max_norm, norm)
    assert_same([mine], [[(g * min(1, max_norm / (expected + 1e-6))).astype(g.dtype) for g in gradients]])


@pytest.mark.parametrize("mode", ["check", "ubsan"])
def test_memory_is_kept_to_and_no_threads_race(xp, mode):
    rng = np.random.default_rng(0)
    lists = [[rng.random(n).astype(np.float32) for n in (3, 1100)] for _ in range(5)]
    mine = device_lists(xp, lists)
    rest = (2, 0.01, 0.9, 0.999, 1e-8, 0.01, True, False)
    with simulate(mode=mode):
        cuda.adam(*mine, *rest)
        cuda.sgd(*mine[:3], 0.1, 0.9, 0.0, 0.01, True, False, False)
        cuda.clip(mine[1], 0.5, cuda.norm(mine[1]))
    reference.adam(*lists, *rest)
    reference.sgd(*lists[:3], 0.1, 0.9, 0.0, 0.01, True, False, False)
    total = np.sqrt(sum((g**2).sum() for g in lists[1]))
    lists[1] = [g * np.float32(0.5 / (total + 1e-6)) for g in lists[1]]
    assert_same(mine, lists)


@pytest.mark.parametrize("norm_type", [1, 2])
def test_clip_grad_norm_equals_the_cpu(norm_type):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape) for shape in [(5, 4), (3, 2, 3, 3), (7,)]]
    found = []
    for device in ("cpu", "cuda"):
        parameters = [mg.tensor(array, device=device, requires_grad=True) for array in start]
        sum((p * p).sum() for p in parameters).backward()
        total = mg.nn.utils.clip_grad_norm_(parameters, 0.5, norm_type)
        found.append([total.cpu().numpy(), *(p.grad.cpu().numpy() for p in parameters)])
    for mine, expected in zip(*reversed(found), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-13, strict=True)
