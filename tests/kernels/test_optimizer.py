"""SGD and Adam: the CPU kernel against the reference, and the reference against PyTorch step for step."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from layouts import assert_same_on_one_thread, channels_last

from minigrad.kernels.optimizer import cpu, reference

LAYOUTS = {
    "contiguous": lambda a: a,
    "fortran": lambda a: np.asarray(a, order="F"),
    "flipped": lambda a: a[::-1].copy()[::-1] if a.ndim else a,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "channels_last": lambda a: channels_last(a) if a.ndim == 4 else a,
}


@st.composite
def groups(draw, count):
    """`count` lists of arrays of equal shapes, in mixed layouts, and one longer than a task."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shapes = draw(st.lists(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), max_size=4))
    shapes += draw(st.sampled_from([[], [(3, 5000)]]))
    layouts = st.sampled_from(sorted(LAYOUTS))
    return [
        [LAYOUTS[draw(layouts)](np.asarray(rng.random(shape) - 0.5, dtype)) for shape in shapes] for _ in range(count)
    ]


def copies(lists):
    return [None if arrays is None else [array.copy(order="K") for array in arrays] for arrays in lists]


def assert_same(actual, expected):
    for mine, theirs in zip(actual, expected, strict=True):
        for a, b in zip(mine or [], theirs or [], strict=True):
            tolerance = 1e-6 if a.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, strict=True)


@settings(max_examples=40, deadline=None)
@given(
    groups(3),
    st.sampled_from([0.0, 0.9]),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.0, 0.01]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_sgd_cpu_equals_reference(lists, momentum, dampening, decay, nesterov, maximize, first_step):
    rest = (0.1, momentum, dampening, decay, nesterov, maximize, first_step)
    if momentum == 0:
        lists[2] = None
    elif first_step:
        for buffer in lists[2]:
            buffer[...] = np.nan  # what it held before does not count
    mine, theirs = lists, copies(lists)
    gradients = copies([lists[1]])[0]
    cpu.sgd(*mine, *rest)
    reference.sgd(*theirs, *rest)
    assert_same(mine, theirs)
    for gradient, before in zip(mine[1], gradients, strict=True):
        np.testing.assert_array_equal(gradient, before)


@settings(max_examples=40, deadline=None)
@given(
    groups(5),
    st.booleans(),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.01]),
    st.booleans(),
    st.booleans(),
)
def test_adam_cpu_equals_reference(lists, amsgrad, step, decay, decoupled, maximize):
    for array in itertools.chain(lists[3], lists[4]):
        np.abs(array, out=array)  # running means of squares
    if not amsgrad:
        lists[4] = None
    rest = (step, 0.01, 0.9, 0.999, 1e-8, decay, decoupled, maximize)
    mine, theirs = lists, copies(lists)
    cpu.adam(*mine, *rest)
    reference.adam(*theirs, *rest)
    assert_same(mine, theirs)


@pytest.mark.parametrize("momentum, dampening, nesterov", [(0, 0, False), (0.9, 0.1, False), (0.9, 0, True)])
@pytest.mark.parametrize("decay, maximize", [(0.0, False), (0.01, True)])
def test_sgd_reference_equals_pytorch(momentum, dampening, nesterov, decay, maximize):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p, gradients = rng.standard_normal((4, 3)), rng.standard_normal((4, 4, 3))
    tp = torch.tensor(p, requires_grad=True)
    settings_ = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    optimizer = torch.optim.SGD([tp], 0.1, weight_decay=decay, maximize=maximize, **settings_)
    buffers = [np.empty_like(p)] if momentum else None
    for step, g in enumerate(gradients):
        rest = (0.1, momentum, dampening, decay, nesterov, maximize, step == 0)
        reference.sgd([p], [g], buffers, *rest)
        tp.grad = torch.from_numpy(g)
        optimizer.step()
        np.testing.assert_allclose(p, tp.detach().numpy(), rtol=1e-13)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay, decoupled, maximize", [(0, False, False), (0.1, False, True), (0.1, True, False)])
def test_adam_reference_equals_pytorch(amsgrad, decay, decoupled, maximize):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p, gradients = rng.standard_normal((4, 3)), rng.standard_normal((6, 4, 3))
    tp = torch.tensor(p, requires_grad=True)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind([tp], 0.01, weight_decay=decay, amsgrad=amsgrad, maximize=maximize)
    m, v, largest = np.zeros_like(p), np.zeros_like(p), [np.zeros_like(p)] if amsgrad else None
    for step, g in enumerate(gradients, start=1):
        rest = (step, 0.01, 0.9, 0.999, 1e-8, decay, decoupled, maximize)
        reference.adam([p], [g], [m], [v], largest, *rest)
        tp.grad = torch.from_numpy(g)
        optimizer.step()
        np.testing.assert_allclose(p, tp.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_show(bad):
    p, g, m, v = np.zeros(4), np.array([1, bad, 1, 1.0]), np.zeros(4), np.zeros(4)
    cpu.sgd([p], [g], [m], 0.1, 0.9, 0.0, 0.0, False, False, True)
    assert not np.isfinite(p[1]) and np.isfinite(p[[0, 2, 3]]).all()
    largest = np.zeros(4)
    cpu.adam([p], [g], [m], [v], [largest], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False)
    assert not np.isfinite([p[1], largest[1]]).any() and np.isfinite(p[[0, 2, 3]]).all()


def test_no_result_depends_on_the_thread_count():
    rng = np.random.default_rng(0)
    start = [[rng.random(9001), rng.random((7, 700))] for _ in range(3)]

    def run():
        lists = copies(start)
        cpu.sgd(*lists, 0.1, 0.9, 0.0, 0.01, True, False, False)
        return sum(lists, [])

    assert_same_on_one_thread(run)
