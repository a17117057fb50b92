"""The simulator's arrays behave as CuPy's: the same functions and arguments, no way to the host but in plain sight."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from programs import simulator_only

from minigrad.kernels.cuda import OutOfMemoryError
from minigrad.kernels.cuda.simulator import simulate, trace_launches
from minigrad.kernels.cuda.simulator.memory import UNIT, pool
from minigrad.kernels.cuda.simulator.ndarray import cupy_names

pytestmark = simulator_only

shapes = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
numbers = npst.arrays(st.sampled_from([np.float32, np.float64, np.int64, bool]), shapes, elements=st.integers(0, 1))


@settings(max_examples=30, deadline=None)
@given(numbers, st.randoms())
def test_arrays_keep_values_layout_and_dtype(xp, host, random):
    x = xp.asarray(host)
    np.testing.assert_array_equal(x.get(), host, strict=True)
    axes = random.sample(range(host.ndim), host.ndim)
    y, expected = x.transpose(axes), host.transpose(axes)
    assert (y.shape, y.strides, y.flags.c_contiguous) == (expected.shape, expected.strides, expected.flags.c_contiguous)
    np.testing.assert_array_equal((y + y).get(), expected + expected, strict=True)
    np.testing.assert_array_equal(xp.ascontiguousarray(y).get(), np.ascontiguousarray(expected), strict=True)
    assert (y + y).strides == (expected + expected).strides or 1 in host.shape or 0 in host.shape
    np.testing.assert_array_equal(y.sum(axis=None).get(), expected.sum())
    assert isinstance(y.sum(), xp.ndarray) and y.sum().shape == ()


def test_nothing_becomes_a_host_array_by_itself(xp):
    x, host = xp.ones((2, 3)), np.ones((2, 3))
    for convert in (np.asarray, np.array, lambda a: host[...].__iadd__(a)):
        with pytest.raises(TypeError):
            convert(x)
    for mix in (lambda: x + host, lambda: host * x, lambda: xp.add(x, host), lambda: xp.concatenate([x, host]),
                lambda: np.concatenate([x, host]), lambda: xp.where(x > 0, x, host), lambda: x[np.array([0])],
                lambda: xp.maximum(x, np.ones(())), lambda: x.__iadd__(host)):  # fmt: skip
        with pytest.raises(TypeError, match="Unsupported type"):
            mix()
    with pytest.raises(ValueError, match=r"non-scalar numpy.ndarray cannot be used for fill"):
        x[...] = host
    for fine in (x * np.float32(2), 2 * x, np.float64(2) * x, x + True):
        assert isinstance(fine, xp.ndarray)


def test_numpys_functions_go_to_the_device(xp):
    x = xp.asarray([[1.0, -2.0], [3.0, 4.0]])
    for result in (
        np.add(x, 1),
        np.where(x > 0, x, 0),
        np.concatenate([x, x]),
        np.sum(x),
        np.exp(x),
        np.linalg.norm(x),
    ):
        assert isinstance(result, xp.ndarray)
    assert np.shape(x) == (2, 2) and np.may_share_memory(x, x[1:]) and np.result_type(x, np.int8) == np.float64


def test_what_only_numpy_has_fails_as_on_a_gpu(xp):
    x = xp.ones(3)
    for name in ("vecdot", "nditer", "fromregex", "ufunc_that_is_none"):
        with pytest.raises(AttributeError):
            getattr(xp, name)
    for call in (lambda: xp.sum(x, where=x > 0), lambda: xp.add(x, x, where=x > 0), lambda: x.sum(initial=1.0),
                 lambda: np.sum(x, initial=1.0), lambda: xp.max(x, initial=0)):  # fmt: skip
        with pytest.raises(TypeError, match="takes no argument"):
            call()
    with pytest.raises(AttributeError):
        _ = x.flags.writeable
    with pytest.raises(ValueError, match="Unsupported dtype"):
        xp.asarray(["text"])


def test_items_are_views(xp):
    host = np.arange(12.0).reshape(3, 4)
    x = xp.asarray(host)
    x[1][2] = 50
    x[2] = x[0]
    x[:, 0] += 1
    host[1, 2], host[2] = 50, host[0]
    host[:, 0] += 1
    np.testing.assert_array_equal(x.get(), host)
    element = x[1, 2]
    assert isinstance(element, xp.ndarray) and element.shape == () and element.data.ptr == x.data.ptr + 6 * 8
    np.testing.assert_array_equal(x[x > 5].get(), host[host > 5])
    np.testing.assert_array_equal(x[xp.asarray([2, 0])].get(), host[[2, 0]])
    np.testing.assert_array_equal(x[[2, 0], ::2].get(), host[[2, 0], ::2])
    assert [row.shape for row in x] == [(4,)] * 3
    x.T[0] = 7
    assert (x.get()[:, 0] == 7).all()
    with pytest.raises(IndexError):
        x[xp.asarray([5])]


def test_numbers_are_read_in_plain_sight(xp):
    x = xp.asarray([2.5])
    assert (float(x), int(x), x.item(), x.tolist(), bool(x), f"{x[0]:.1f}") == (2.5, 2, 2.5, [2.5], True, "2.5")
    assert [1, 2, 3][xp.asarray(1)] == 2
    with pytest.raises(TypeError):
        float(xp.ones(2))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(xp.ones(2))
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.copy()):
        np.testing.assert_array_equal(other.get(), [2.5])
        assert other.data.ptr != x.data.ptr
    assert repr(x) == "array([2.5])"


def test_host_arrays_arrive_as_cupy_lays_them(xp):
    host = np.arange(24.0).reshape(2, 3, 4)
    assert xp.asarray(np.asfortranarray(host)).flags.f_contiguous
    assert xp.asarray(host.transpose(0, 2, 1)).flags.c_contiguous
    assert xp.empty((2, 3), order="F").strides == (8, 16)
    assert xp.empty_like(xp.asarray(host).transpose(2, 0, 1)).strides == host.transpose(2, 0, 1).strides
    assert np.isnan(xp.empty(5, np.float32).get()).all() and (xp.empty(5, np.int32).get() == -1).all()
    assert xp.zeros((0, 3)).data.ptr == 0


def test_ufuncs_of_the_module(xp):
    x = xp.zeros(4)
    xp.add.at(x, xp.asarray([1, 1, 3]), 2.0)
    np.testing.assert_array_equal(x.get(), [0, 4, 0, 2])
    np.testing.assert_array_equal(xp.multiply.outer(x, x).get(), np.outer(x.get(), x.get()))
    out = xp.empty(4)
    assert xp.exp(x, out=out) is out and np.exp(x, out=out) is out
    assert x.astype(np.float64, copy=False) is x and xp.asarray(x) is x and xp.ascontiguousarray(x) is x
    assert xp.broadcast_to(x, (3, 4)).strides == (0, 8)
    for number in (xp.count_nonzero(x), xp.array_equal(x, x), x.argmax(), x.any(), x.sum(), xp.linalg.norm(x)):
        assert isinstance(number, xp.ndarray) and number.shape == ()


def test_freed_memory_is_used_again_lowest_address_first(xp):
    shape = (123, 457)  # a size of its own
    arrays = [xp.empty(shape) for _ in range(4)]
    addresses = [a.data.ptr for a in arrays]
    assert addresses == sorted(addresses) and all(address % UNIT == 0 for address in addresses)
    for order in ([3, 0, 2], [0, 2, 3]):
        for i in order:
            arrays[i] = None
        found = [xp.empty(shape) for _ in range(3)]
        assert [a.data.ptr for a in found] == [addresses[0], addresses[2], addresses[3]]
        arrays[0], arrays[2], arrays[3] = found
        del found
    arrays[1] = arrays[1][5:, ::2]  # a view keeps its memory
    assert xp.empty(shape).data.ptr not in addresses


def test_memory_is_counted_and_can_run_out(xp):
    from minigrad.kernels.cuda import backend

    before = backend().memory_allocated()
    backend().reset_peak_memory_stats()
    a, b = xp.empty(1000, np.float64), xp.empty(1, np.int8)
    assert backend().memory_allocated() - before == 8192 + 512
    del a
    assert backend().memory_allocated() - before == 512
    assert backend().max_memory_allocated() - before == 8192 + 512
    backend().empty_cache()
    assert backend().memory_reserved() == backend().memory_allocated()
    message = r"a tensor needs 1.5 MiB; tensors use .* of the GPU's .* are free. What frees it"
    with simulate(memory=pool.used + 2**20):
        with pytest.raises(OutOfMemoryError, match=message):
            xp.empty(3 * 2**16, np.float64)
        assert xp.empty(2**16, np.float64).size == 2**16  # it goes on
    assert b.get() == -1


def test_a_trace_tells_all_that_a_graph_would_freeze(xp):
    x = xp.ones((2, 3), np.float32)

    def step(scale):
        y = x * scale
        return xp.sum(y, axis=0)

    traces = []
    for scale in (2.0, 2.0, 3.0):
        with trace_launches() as events:
            step(scale)
        traces.append(events)
    assert traces[0] == traces[1] != traces[2]
    assert [e.kind for e in traces[0]] == ["allocate", "call", "allocate", "call"]
    assert all(e.capturable for e in traces[0])
    for waits in (
        lambda: x.get(),
        lambda: float(x.sum()),
        lambda: xp.asarray([1.0]),
        lambda: x[x > 0],
        lambda: x[[0]],
        lambda: xp.nonzero(x),
        lambda: x @ x.T,
        lambda: xp.einsum("ij->j", x),
        lambda: xp.argsort(x),
        lambda: xp.linalg.norm(x),
        lambda: bool(x[0, 0] > 0),
        lambda: repr(x),
    ):
        with trace_launches() as events:
            waits()
        assert not all(e.capturable for e in events)


def test_the_names_are_those_of_cupy():
    """On a machine that has CuPy."""
    cupy = pytest.importorskip("cupy", exc_type=ImportError)
    if not cupy.__version__.startswith("14."):
        pytest.skip("the list is of CuPy 14")
    for name in cupy_names():
        owner = cupy.ndarray if name.startswith("ndarray.") else cupy.linalg if name.startswith("linalg.") else cupy
        assert hasattr(owner, name.rpartition(".")[2]), name
