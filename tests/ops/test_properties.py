"""What must hold for all inputs: adjoints, linearity, broadcasting, geometry, and no dependence on the layout."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from catalogue_nn import convolution
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from strategies import arrays, broadcastable_shapes, classifications, convolutions, layouts, poolings, shapes

import minigrad as mg
import minigrad.nn.functional as F

few = settings(max_examples=30, deadline=None)
SEEDS = st.integers(0, 2**16)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def value_and_gradients(function, *inputs: np.ndarray) -> list[np.ndarray]:
    """The value of a function of tensors, and its gradients at weights that depend on nothing but the shape."""
    leaves = [mg.from_numpy(array).requires_grad_() for array in inputs]
    result = function(*leaves)
    result.backward(mg.tensor(normal(0, *result.shape), dtype=result.dtype))
    return [result.detach().numpy(), *[leaf.grad.numpy() for leaf in leaves]]


def assert_close(got, expected, dtype=np.float64) -> None:
    """Equal but for rounding, which grows with the largest number around (of which results may be differences)."""
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
    tolerance = 1e-10 if dtype == np.float64 else 3e-5
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


LINEAR = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean((0, 2), keepdim=True),
    "cumsum": lambda x: x.cumsum(1),
    "reshape": lambda x: x.reshape(-1),
    "permute": lambda x: x.permute(2, 0, 1),
    "expand": lambda x: x.unsqueeze(1).expand(-1, 2, -1, -1),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "flip": lambda x: x.flip(0, 2),
    "slice": lambda x: x[:, 1:, ::2],
    "positions": lambda x: x[:, [0, 0, -1]],
    "index_select": lambda x: x.index_select(1, mg.tensor([1, 0, 1])),
    "gather": lambda x: x.gather(1, mg.tensor([[[0], [1], [0]]]).expand(x.shape[0], 3, x.shape[2])),
    "scatter_add": lambda x: mg.zeros(2, *x.shape[1:], dtype=x.dtype).scatter_add(
        0, mg.zeros(x.shape, dtype=mg.int64), x
    ),
    "masked_fill": lambda x: x.masked_fill(mg.tensor(normal(1, *x.shape) > 0), 0),
    "cat": lambda x: mg.cat([x, 2 * x], 1),
    "stack": lambda x: mg.stack([x, -x], 3),
    "split": lambda x: x.split(1, 1)[-1],
    "tril": lambda x: x.tril(),
    "pad": lambda x: F.pad(x, (1, 0, -1, 2)),
    "pad reflect": lambda x: F.pad(x, (1, 0), mode="reflect"),
    "matmul": lambda x: mg.tensor(normal(2, 3, x.shape[1])) @ x,
    "einsum": lambda x: mg.einsum("abc,cd->dba", x, mg.tensor(normal(3, x.shape[2], 2))),
    "linear": lambda x: F.linear(x, mg.tensor(normal(4, 2, x.shape[2]))),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2, stride=1, padding=1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    "unfold": lambda x: F.unfold(x.unsqueeze(1), 2, padding=1),
    "dropout": lambda x: _same_dropout(x),
}


def _same_dropout(x):
    mg.manual_seed(5)
    return F.dropout(x, 0.4)


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=8, deadline=None)
@given(shape=shapes(min_dims=3, max_dims=3, min_side=2), seed=SEEDS)
def test_linear_operation_and_its_adjoint(name, shape, seed):
    linear = LINEAR[name]
    x, other = (mg.tensor(normal(seed + i, *shape), requires_grad=True) for i in range(2))
    y = linear(x)
    assert_close(linear(2 * x - 3 * other).detach().numpy(), (2 * y - 3 * linear(other)).detach().numpy())
    weight = mg.tensor(normal(seed + 2, *y.shape))
    (adjoint,) = mg.autograd.grad(y, x, weight)
    np.testing.assert_allclose((y * weight).sum().item(), (x * adjoint).sum().item(), rtol=1e-9, atol=1e-9)


@few
@given(geometry=convolutions(min_batch=1), seed=SEEDS)
def test_convolution_is_linear_in_input_and_weight(geometry, seed):
    x, weight = (
        mg.tensor(normal(seed + i, *shape), requires_grad=True)
        for i, shape in enumerate((geometry.input, geometry.weight))
    )
    y = F.conv2d(x, weight, **geometry.options)
    direction = mg.tensor(normal(seed + 2, *y.shape))
    adjoints = mg.autograd.grad(y, (x, weight), direction)
    for factor, adjoint in zip((x, weight), adjoints, strict=True):
        np.testing.assert_allclose((y * direction).sum().item(), (factor * adjoint).sum().item(), rtol=1e-8, atol=1e-9)
    # Transposed convolution is the adjoint by itself, up to the rows and columns at the end that no window reached.
    stride, padding, dilation = (geometry.options[name] for name in ("stride", "padding", "dilation"))
    reached = [
        (y.shape[2 + d] - 1) * stride[d] + dilation[d] * (weight.shape[2 + d] - 1) + 1 - 2 * padding[d] for d in (0, 1)
    ]
    if min(reached) >= 1:
        transposed = F.conv_transpose2d(direction, weight.detach(), **geometry.options)
        assert transposed.shape[2:] == tuple(reached)
        assert_close(transposed.numpy(), adjoints[0].numpy()[:, :, : reached[0], : reached[1]])


ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "lt": np.less,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("name", ARITHMETIC)
@few
@given(data=st.data(), both=broadcastable_shapes())
def test_broadcasting_equals_numpys(name, data, both):
    x, y = (data.draw(arrays(shape)) for shape in both)
    with np.errstate(all="ignore"):
        got = getattr(mg, name)(mg.from_numpy(x), mg.from_numpy(y)).numpy()
        # As in PyTorch, an array without dimensions does not widen one that has some.
        wide = [a.dtype for a in (x, y) if a.ndim] or [x.dtype, y.dtype]
        dtype = np.result_type(*wide)
        expected = ARITHMETIC[name](x.astype(dtype), y.astype(dtype))
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype and got.shape == expected.shape


def summed_to(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What broadcasting repeated, added up."""
    array = array.sum(tuple(range(array.ndim - len(shape))))
    return array.sum(tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True).reshape(shape)


@few
@given(data=st.data(), both=broadcastable_shapes())
def test_gradients_of_broadcast_operands_are_sums(data, both):
    x, y = (data.draw(arrays(shape, np.float64, ("normal", "ties", "negative"))) for shape in both)
    result, grad_x, grad_y = value_and_gradients(lambda a, b: a * b + a, x, y)
    weight = normal(0, *result.shape)
    assert_close(grad_x, summed_to(weight * (y + 1), x.shape))
    assert_close(grad_y, summed_to(weight * x, y.shape))


@few
@given(array=arrays(dtype=np.float64, kinds=("normal", "ties", "negative")))
def test_repeated_operands_add_their_gradients(array):
    twice = {
        "add": (lambda x: x + x, 2 * np.ones_like(array)),
        "sub": (lambda x: x - x, np.zeros_like(array)),
        "mul": (lambda x: x * x, 2 * array),
        "maximum": (lambda x: mg.maximum(x, x), np.ones_like(array)),
        "cat": (lambda x: mg.cat([x.reshape(-1), x.reshape(-1)]).sum(), 2 * np.ones_like(array)),
        "where": (lambda x: mg.where(x > 0, x, x), np.ones_like(array)),
    }
    for function, slope in twice.values():
        result, gradient = value_and_gradients(function, array)
        assert_close(gradient, normal(0, *result.shape) * slope)


ANY_LAYOUT = {
    "exp": lambda x: mg.exp(x * 1e-3),
    "relu": F.relu,
    "sum": lambda x: x.sum(-1),
    "max": lambda x: x.max(1).values,
    "sort": lambda x: x.sort(2).values,
    "cumsum": lambda x: x.cumsum(2),
    "reshape": lambda x: x.reshape(x.shape[0], -1),
    "index": lambda x: x[:, 1:, [0, 1]],
    "logsumexp": lambda x: x.logsumexp((1, 3)),
    "softmax": lambda x: F.softmax(x, 1),
    "dropout": _same_dropout,
    "matmul": lambda x: x @ x.transpose(2, 3),
    "conv2d": lambda x: F.conv2d(x, mg.tensor(normal(1, 3, x.shape[1], 2, 2), dtype=x.dtype), padding=1),
    "conv2d 3x3": lambda x: F.conv2d(x, mg.tensor(normal(1, 3, x.shape[1], 3, 3), dtype=x.dtype), padding=1),
    "conv2d 1x1": lambda x: F.conv2d(x, mg.tensor(normal(1, 3, x.shape[1], 1, 1), dtype=x.dtype)),
    "max_pool2d": lambda x: F.max_pool2d(x, 2, padding=1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[2:]),
    "local_response_norm": lambda x: F.local_response_norm(x, 3),
    "cross_entropy": lambda x: F.cross_entropy(x, mg.zeros(x.shape[0], *x.shape[2:], dtype=mg.int64)),
}


@pytest.mark.parametrize("name", ANY_LAYOUT)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), shape=shapes(min_dims=4, max_dims=4, min_side=2))
def test_memory_layout_changes_nothing(name, data, shape):
    laid = data.draw(arrays(shape, kinds=("normal", "negative")))
    contiguous = np.ascontiguousarray(laid)
    got, expected = (value_and_gradients(ANY_LAYOUT[name], array) for array in (laid, contiguous))
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == laid.dtype
        assert_close(a, b, laid.dtype)


@few
@given(geometry=convolutions(), data=st.data(), biased=st.booleans())
def test_convolution_equals_loops(geometry, data, biased):
    x, weight = (
        data.draw(arrays(shape, np.float64, ("normal", "ties"))) for shape in (geometry.input, geometry.weight)
    )
    bias = normal(1, geometry.weight[0]) if biased else None
    got = F.conv2d(*[None if a is None else mg.from_numpy(a) for a in (x, weight, bias)], **geometry.options)
    assert_close(got.numpy(), convolution(x, weight, bias, *geometry.options.values()))


def pooled_by_loops(reduce, x, kernel_size, stride, padding, ceil_mode, dilation=(1, 1)):
    """`reduce` of the elements that each window covers; a window begins before the end of the picture."""
    starts = []
    for size, k, s, p, d in zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True):
        past = size + p - d * (k - 1)  # the first place where a whole window no longer fits
        starts.append([a for a in range(-p, size + p, s) if a < past or (ceil_mode and a < min(past + s - 1, size))])
    y = np.zeros((*x.shape[:2], *map(len, starts)))
    for (i, top), (j, left) in itertools.product(*map(enumerate, starts)):
        rows, columns = (
            [a + t * d for t in range(k) if 0 <= a + t * d < size]
            for a, k, d, size in zip((top, left), kernel_size, dilation, x.shape[2:], strict=True)
        )
        y[:, :, i, j] = reduce(x[:, :, rows][:, :, :, columns])
    return y


@few
@given(geometry=poolings(), data=st.data())
def test_max_pool_equals_loops(geometry, data):
    x = data.draw(arrays(geometry.input, kinds=("ties", "normal", "negative")))
    got = F.max_pool2d(mg.from_numpy(x), **geometry.options).numpy()
    expected = pooled_by_loops(lambda window: window.max((2, 3)), x, **geometry.options)
    np.testing.assert_array_equal(got, expected.astype(x.dtype))


@few
@given(geometry=poolings(dilated=False), data=st.data())
def test_max_pool_of_negative_input_is_negative(geometry, data):
    x = data.draw(arrays(geometry.input, kinds=("negative",)))
    y, gradient = value_and_gradients(lambda images: F.max_pool2d(images, **geometry.options), x)
    assert (y <= -1).all() and np.isfinite(y).all()
    assert_close(gradient.sum(), normal(0, *y.shape).sum(), x.dtype)  # nothing is lost to the padding


@few
@given(geometry=poolings(dilated=False), data=st.data())
def test_avg_pool_without_the_padding_equals_loops(geometry, data):
    x = data.draw(arrays(geometry.input, np.float64, ("ties", "normal")))
    got = F.avg_pool2d(mg.from_numpy(x), **geometry.options, count_include_pad=False).numpy()
    assert_close(got, pooled_by_loops(lambda window: window.mean((2, 3)), x, **geometry.options))


@few
@given(both=classifications())
def test_cross_entropy_is_stable(both):
    logits, labels = both
    counted = labels != -100
    x = mg.tensor(logits, requires_grad=True)
    losses = F.cross_entropy(x, mg.tensor(labels), reduction="none")
    losses.sum().backward()
    wide = logits.astype(np.float64)
    rows, chosen = np.arange(len(labels)), np.where(counted, labels, 0)
    assert_close(
        losses.detach().numpy(), np.where(counted, -special.log_softmax(wide, 1)[rows, chosen], 0), logits.dtype
    )
    slope = special.softmax(wide, 1)
    slope[rows, chosen] -= 1
    assert_close(x.grad.numpy(), slope * counted[:, None], np.float32)
    assert np.isfinite(x.grad.numpy()).all()


KERNELS = {
    "conv2d": lambda x: F.conv2d(x, mg.tensor(normal(1, 2, x.shape[1], 3, 3), dtype=x.dtype), padding=1),
    "conv2d strided": lambda x: F.conv2d(x, mg.tensor(normal(1, 2, x.shape[1], 2, 2), dtype=x.dtype), stride=2),
    "max_pool2d": lambda x: F.max_pool2d(x, 2, stride=1, padding=1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "local_response_norm": lambda x: F.local_response_norm(x, 3),
    "relu": F.relu,
    "dropout": _same_dropout,
    "cross_entropy": lambda x: F.cross_entropy(x.flatten(1), mg.arange(x.shape[0]), label_smoothing=0.1),
}


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), shape=shapes(min_dims=4, max_dims=4, min_side=2, max_side=5))
def test_cpu_kernels_equal_the_reference(name, data, shape):
    x = data.draw(arrays(shape, kinds=("normal", "ties", "negative")))
    results = []
    for kernels in ("reference", "cpu"):
        with mg.use_kernels(kernels):
            results.append(value_and_gradients(KERNELS[name], x))
    for reference, fast in zip(*results, strict=True):
        assert fast.dtype == reference.dtype == x.dtype
        assert_close(fast, reference, x.dtype)


@few
@given(data=st.data())
def test_layouts_hold_the_same_values(data):
    array = data.draw(arrays())
    np.testing.assert_array_equal(data.draw(layouts(array)), array)
