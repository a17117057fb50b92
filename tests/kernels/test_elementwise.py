"""ReLU: the CPU kernel against the reference in every layout, NaN and ties at zero included."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import minigrad as mg
from minigrad.kernels.elementwise import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("elementwise", [reference, cpu], ids=["reference", "cpu"])


@st.composite
def arrays(draw, shape=None):
    """Arrays of any layout: transposed, flipped, every second element, or one row repeated without a copy."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
    x = np.random.default_rng(draw(st.integers(0, 100))).integers(-2, 3, shape).astype(dtype)
    x[x == 2] = draw(st.sampled_from([2, np.nan, np.inf, -np.inf]))
    layout = draw(st.sampled_from(["plain", "transposed", "flipped", "strided", "repeated"]))
    if layout == "transposed":
        x = x.transpose(draw(st.permutations(range(x.ndim))))
    elif layout == "flipped" and x.ndim:
        x = x[::-1, ..., ::-1] if x.ndim > 1 else x[::-1]
    elif layout == "strided" and x.ndim:
        x = x[..., ::2]
    elif layout == "repeated":
        x = np.broadcast_to(x, (3, *x.shape)).copy()[:1]
        x = np.broadcast_to(x, (3, *x.shape[1:]))
    return x


@pytest.fixture(autouse=True)
def small_arrays_run_the_kernel(monkeypatch):
    monkeypatch.setattr(cpu, "SMALL", 0)


def test_small_arrays_are_numpys(monkeypatch):
    monkeypatch.setattr(cpu, "SMALL", 4)
    monkeypatch.setattr(cpu, "_relu", None)
    np.testing.assert_array_equal(cpu.relu(np.array([-1, 2, np.nan, -0.0], np.float32)), [0, 2, np.nan, 0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(), st.data())
def test_cpu_equals_reference(x, data):
    y = cpu.relu(x)
    np.testing.assert_array_equal(y, reference.relu(x), strict=True)
    dy = np.random.default_rng(1).standard_normal(x.shape[::-1]).astype(x.dtype).T
    if data.draw(st.booleans()):
        dy = np.asarray(dy, order="C")
    np.testing.assert_array_equal(cpu.relu_backward(dy, y), reference.relu_backward(dy, y), strict=True)
    np.testing.assert_array_equal(cpu.add(x, dy), reference.add(x, dy), strict=True)
    # x in y's place, so that the layouts of the two arguments differ in every way.
    np.testing.assert_array_equal(cpu.relu_backward(dy, x), reference.relu_backward(dy, x), strict=True)


@IMPLEMENTATIONS
def test_values_and_slopes(elementwise):
    x = np.array([-1, -0.0, 0, 2, np.nan, np.inf, -np.inf], np.float32)
    y = elementwise.relu(x)
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 2, np.nan, np.inf, 0], np.float32))
    dy = np.array([1, 2, 3, 4, 5, 6, np.nan], np.float32)
    np.testing.assert_array_equal(elementwise.relu_backward(dy, y), [0, 0, 0, 4, 5, 6, 0])


def test_layout_is_kept():
    x = np.zeros((2, 3, 4, 5), np.float32).transpose(0, 3, 1, 2)
    assert cpu.relu(x).strides == cpu.add(x, x.copy()).strides == x.strides


@IMPLEMENTATIONS
def test_in_place(elementwise):
    x = np.array([[-1, 2], [3, -4]], np.float32).T
    assert elementwise.relu(x, out=x) is x
    np.testing.assert_array_equal(x, [[0, 3], [2, 0]])
    assert elementwise.add(x, x, out=x) is x
    np.testing.assert_array_equal(x, [[0, 6], [4, 0]])


@pytest.mark.parametrize("step", [1, 2])
def test_large_tensors_are_added_in_place(step):
    values = np.random.default_rng(0).standard_normal((2, 1 << 17), np.float32)
    base, y = mg.tensor(values[0], requires_grad=True), mg.tensor(values[1, ::step], requires_grad=True)
    x = base * 2 if step == 1 else (base * 2)[::step]
    alias, expected = x.detach(), x.detach().numpy() + y.detach().numpy()
    address = x.data_ptr()
    x += y
    assert x.data_ptr() == address
    np.testing.assert_array_equal(alias.numpy(), expected)
    (x * x).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), 2 * expected, rtol=1e-6)


def test_large_sums_of_tensors_run_the_kernel():
    x = np.random.default_rng(0).standard_normal((1 << 16) + 1, np.float32)
    with mock.patch.object(cpu, "add", wraps=cpu.add) as add:
        np.testing.assert_array_equal((mg.tensor(x) + mg.tensor(x[::-1])).numpy(), x + x[::-1])
    add.assert_called_once()


def test_reference_equals_pytorch():
    torch = pytest.importorskip("torch")
    x = np.array([-1, 0, 2, np.nan, np.inf, -np.inf])
    tx = torch.from_numpy(x).requires_grad_()
    ty = torch.relu(tx)
    ty.sum().backward()
    y = reference.relu(x)
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_array_equal(reference.relu_backward(np.ones(6), y), tx.grad.numpy())
