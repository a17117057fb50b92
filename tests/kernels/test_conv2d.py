"""Convolution: the reference against a sum written out and PyTorch, the CPU kernels against the reference."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import assert_same_on_one_thread, channels_last

from minigrad.kernels.conv2d import cpu, reference

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}  # of the largest entry


@dataclass
class Case:
    """A geometry and arrays for it: x, weight, bias and an incoming gradient dy."""

    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    dy: np.ndarray
    geometry: tuple  # stride, padding, dilation, groups

    @property
    def kernel_size(self):
        return self.weight.shape[2:]


def make_case(batch, group_in, group_out, size, kernel, stride, padding, dilation, groups, dtype, seed=0):
    draw = np.random.default_rng(seed).standard_normal
    out = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    return Case(
        draw((batch, groups * group_in, *size)).astype(dtype),
        draw((groups * group_out, group_in, *kernel)).astype(dtype),
        draw(groups * group_out).astype(dtype),
        draw((batch, groups * group_out, *out)).astype(dtype),
        (stride, padding, dilation, groups),
    )


@st.composite
def cases(draw, max_batch=20, max_channels=6, max_kernel=7):
    pair = lambda low, high: draw(st.tuples(st.integers(low, high), st.integers(low, high)))  # noqa: E731
    kernel, stride, padding, dilation = pair(1, max_kernel), pair(1, 3), pair(0, 3), pair(1, 3)
    smallest = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = tuple(n + draw(st.integers(0, 9)) for n in smallest)
    channels = st.integers(1, max_channels)
    groups, dtype = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([np.float32, np.float64]))
    return make_case(
        draw(st.sampled_from([0, 1, 2, 5, max_batch])), draw(channels), draw(channels),
        size, kernel, stride, padding, dilation, groups, dtype, draw(st.integers(0, 99)),
    )  # fmt: skip


def results(kernels, case, **options):
    """y, dx, dweight and dbias."""
    dbias = np.empty_like(case.bias)
    return (
        kernels.forward(case.x, case.weight, case.bias, *case.geometry, **options),
        kernels.input_gradient(case.dy, case.weight, case.x.shape, *case.geometry, **options),
        kernels.weight_gradient(case.dy, case.x, case.kernel_size, *case.geometry, dbias=dbias, **options),
        dbias,
    )


def assert_close(got, expected, tolerance):
    """Equal within `tolerance` of the largest entry, or of 1: a single sum of standard normal numbers may cancel."""
    assert got.shape == expected.shape
    error = np.abs(got - expected).max(initial=0)
    assert error <= tolerance * max(np.abs(expected).max(initial=0), 1), error


def written_out(case):
    """y, dx, dweight and dbias by the definition: a sum over every pair of an output and a tap."""
    (stride, padding, dilation, groups), x, dy = case.geometry, case.x, case.dy
    y = np.zeros(dy.shape) + case.bias[:, None, None]
    dx, dweight = np.zeros(x.shape), np.zeros(case.weight.shape)
    group_out, group_in = case.weight.shape[0] // groups, case.weight.shape[1]
    for o, c, kh, kw in itertools.product(*map(range, case.weight.shape)):
        for n, oh, ow in itertools.product(range(dy.shape[0]), range(dy.shape[2]), range(dy.shape[3])):
            h = oh * stride[0] + kh * dilation[0] - padding[0]
            w = ow * stride[1] + kw * dilation[1] - padding[1]
            if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                channel = o // group_out * group_in + c
                y[n, o, oh, ow] += case.weight[o, c, kh, kw] * x[n, channel, h, w]
                dx[n, channel, h, w] += case.weight[o, c, kh, kw] * dy[n, o, oh, ow]
                dweight[o, c, kh, kw] += x[n, channel, h, w] * dy[n, o, oh, ow]
    return y, dx, dweight, dy.sum((0, 2, 3))


@settings(max_examples=15, deadline=None)
@given(cases(max_batch=2, max_channels=2, max_kernel=3))
def test_reference_is_the_sum_written_out(case):
    for got, expected in zip(results(reference, case), written_out(case), strict=True):
        assert got.dtype == case.x.dtype
        assert_close(got, expected, TOLERANCE[case.x.dtype.type])


@settings(max_examples=30, deadline=None)
@given(cases())
def test_reference_is_pytorch(case):
    torch = pytest.importorskip("torch")
    x, weight = (torch.from_numpy(a).double().requires_grad_() for a in (case.x, case.weight))
    bias = torch.from_numpy(case.bias).double().requires_grad_()
    y = torch.nn.functional.conv2d(x, weight, bias, *case.geometry)
    y.backward(torch.from_numpy(case.dy).double())
    for got, expected in zip(results(reference, case), (y.detach(), x.grad, weight.grad, bias.grad), strict=True):
        assert_close(got, expected.numpy(), TOLERANCE[case.x.dtype.type])


@settings(max_examples=80, deadline=None)
@given(cases())
def test_cpu_is_the_reference(case):
    got = results(cpu, case)
    for a, expected in zip(got, results(reference, case), strict=True):
        assert a.dtype == case.x.dtype
        assert_close(a, expected, TOLERANCE[case.x.dtype.type])
    for a, b in zip(got, results(cpu, case), strict=True):
        assert np.array_equal(a, b), "two runs differ"


@settings(max_examples=30, deadline=None)
@given(cases(max_batch=3))
def test_gradients_are_adjoints(case):
    """<conv(x, w), dy> = <x, dx> = <w, dw>."""
    case.bias[:] = 0
    y, dx, dweight, _ = (a.astype(np.float64) for a in results(cpu, case))
    scale = max(np.abs(y).sum() * np.abs(case.dy).max(initial=0), 1e-3)
    tolerance = TOLERANCE[case.x.dtype.type] * scale
    assert abs((y * case.dy).sum() - (dx * case.x).sum()) <= tolerance
    assert abs((y * case.dy).sum() - (dweight * case.weight).sum()) <= tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a[..., ::-1, ::-1],
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.asfortranarray(a),
        lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    ],
    ids=["negative", "strided", "fortran", "channels_last"],
)
def test_any_strides(layout, dtype):
    case = make_case(3, 2, 3, (7, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1, dtype)
    laid = Case(layout(case.x), layout(case.weight), case.bias[::-1], layout(case.dy), case.geometry)
    for a, expected in zip(results(cpu, laid), results(reference, laid), strict=True):
        assert_close(a, expected, TOLERANCE[dtype])


def test_inputs_are_left_alone():
    case = make_case(5, 2, 3, (9, 9), (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    before = [a.copy() for a in (case.x, case.weight, case.bias, case.dy)]
    for a in (case.x, case.weight, case.bias, case.dy):
        a.flags.writeable = False
    results(cpu, case)
    for a, b in zip((case.x, case.weight, case.bias, case.dy), before, strict=True):
        assert np.array_equal(a, b)


def test_nan_and_infinity_survive():
    case = make_case(2, 2, 2, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    case.x[0, 0, 2, 2], case.x[1, 1, 3, 3] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        y, expected = (kernels.forward(case.x, case.weight, None, *case.geometry) for kernels in (cpu, reference))
    assert np.array_equal(np.isnan(y), np.isnan(expected))
    assert np.array_equal(np.isposinf(y), np.isposinf(expected))


def test_results_do_not_depend_on_the_number_of_threads():
    case = make_case(40, 3, 5, (12, 12), (5, 5), (1, 1), (2, 2), (1, 1), 1, np.float32)
    for algorithm in ("direct", "im2col"):
        assert_same_on_one_thread(lambda: results(cpu, case, algorithm=algorithm))  # noqa: B023


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 11), st.integers(1, 11),
    st.sampled_from([0, 1, 3]), st.tuples(st.integers(0, 2), st.integers(0, 2)), st.booleans(),
)  # fmt: skip
def test_winograd(channels, out_channels, height, width, batch, padding, last):
    size = max(height, 3 - 2 * padding[0]), max(width, 3 - 2 * padding[1])
    case = make_case(batch, channels, out_channels, size, (3, 3), (1, 1), padding, (1, 1), 1, np.float32)
    if last:
        case.x, case.dy = channels_last(case.x), channels_last(case.dy)
    got = results(cpu, case, algorithm="winograd")
    exact = Case(*(a.astype(np.float64) for a in (case.x, case.weight, case.bias, case.dy)), case.geometry)
    for a, expected in zip(got, results(reference, exact), strict=True):
        assert a.dtype == np.float32
        assert_close(a, expected, 1e-4)
    for a, b in zip(got, results(cpu, case, algorithm="winograd"), strict=True):
        assert np.array_equal(a, b), "two runs differ"


@settings(max_examples=60, deadline=None)
@given(cases(max_channels=40), st.booleans(), st.sampled_from(["im2col", "direct"]))
def test_im2col_and_direct(case, last, algorithm):
    if last:
        case.x, case.dy = channels_last(case.x), channels_last(case.dy)
    assert_algorithm(case, algorithm)


@settings(max_examples=80, deadline=None)
@given(cases(max_channels=40), st.sampled_from(["im2col", "direct", "skinny", "depthwise", "winograd", "two_by_two"]),
       st.booleans(), st.booleans(), st.booleans())  # fmt: skip
def test_what_follows(case, algorithm, has_bias, scales, relu):
    """A scale and a ReLU on the way are those of the reference, and NaN stays NaN."""
    stride, padding, dilation, groups = case.geometry
    size = cpu.output_size(case.x.shape[2], case.kernel_size[0], stride[0], padding[0], dilation[0])
    size = size, cpu.output_size(case.x.shape[3], case.kernel_size[1], stride[1], padding[1], dilation[1])
    if algorithm in ("winograd", "two_by_two"):
        case = make_case(2, case.x.shape[1], len(case.weight), (2, 2), (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    elif not cpu.fits(case.x.dtype, case.weight.shape, size, *case.geometry, False)[algorithm]:
        algorithm = "im2col"
    scale = np.random.default_rng(1).standard_normal(len(case.weight)).astype(case.x.dtype) if scales else None
    arguments = case.x, case.weight, case.bias if has_bias else None, *case.geometry
    y = cpu.forward(*arguments, algorithm=algorithm, scale=scale, relu=relu)
    exact = (a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments)
    assert_close(y, reference.forward(*exact, scale=scale, relu=relu), TOLERANCE[case.x.dtype.type])
    case.x[:] = np.nan
    y, expected = (
        cpu.forward(*arguments, algorithm=algorithm, scale=scale, relu=relu),
        reference.forward(*arguments, scale=scale, relu=relu),
    )
    assert np.isnan(y[np.isnan(expected)]).all()


@settings(max_examples=40, deadline=None)
@given(cases(max_batch=3, max_channels=40), st.booleans(), st.sampled_from([np.ascontiguousarray, channels_last]))
def test_skinny(case, last, lay):
    """The weights may lie in either order, and the number of outputs and of pixels fits no tile."""
    case.geometry = (*case.geometry[:3], 1)
    case.weight = lay(np.resize(case.weight, (len(case.weight), case.x.shape[1], *case.kernel_size)))
    if last:
        case.x = channels_last(case.x)
    y = cpu.forward(case.x, case.weight, case.bias, *case.geometry, algorithm="skinny")
    assert y.dtype == case.x.dtype
    assert_close(y, reference.forward(case.x, case.weight, case.bias, *case.geometry), TOLERANCE[case.x.dtype.type])
    with pytest.raises(ValueError, match="algorithm='skinny' does not compute .*'im2col', 'direct'"):
        cpu.input_gradient(y, case.weight, case.x.shape, *case.geometry, algorithm="skinny")


@pytest.mark.parametrize("size", [(1, 1), (4, 4)])
def test_skinny_does_not_depend_on_the_number_of_threads(size):
    case = make_case(1, 300, 77, size, (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    expected = reference.forward(case.x, case.weight, None, *case.geometry)
    assert_close(cpu.forward(case.x, case.weight, None, *case.geometry), expected, 1e-5)
    assert_same_on_one_thread(lambda: [cpu.forward(case.x, case.weight, case.bias, *case.geometry, algorithm="skinny")])


@settings(max_examples=30, deadline=None)
@given(cases(), st.booleans(), st.integers(1, 80))
def test_depthwise(case, last, channels):
    group_in, group_out = case.weight.shape[1], case.weight.shape[0] // case.geometry[3]
    repeat = lambda a, per_group: np.resize(a, (len(a), channels, *a.shape[2:]))  # noqa: E731
    case.x, case.dy = repeat(case.x, group_in), repeat(case.dy, group_out)
    case.weight, case.bias = np.resize(case.weight, (channels, 1, *case.kernel_size)), np.resize(case.bias, channels)
    case.geometry = (*case.geometry[:3], channels)
    if last:
        case.x, case.dy = channels_last(case.x), channels_last(case.dy)
    assert_algorithm(case, "depthwise")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "stride", "groups"),
    [(1100, 70, 1, 1, 1), (70, 1100, 1, 2, 1), (130, 150, 3, 2, 1), (20, 90, 7, 3, 2), (150, 17, 3, 1, 1)],
)
def test_im2col_of_many_channels_in_panels(channels, outputs, kernel, stride, groups, dtype):
    padding = (kernel // 2,) * 2
    case = make_case(2, channels, outputs, (7, 6), (kernel,) * 2, (stride,) * 2, padding, (1, 1), groups, dtype)
    assert_algorithm(case, "im2col")
    assert_same_on_one_thread(lambda: results(cpu, case, algorithm="im2col"))


def assert_algorithm(case, algorithm):
    """Forward and both gradients are the reference's, and two runs are equal to the last bit."""
    got = results(cpu, case, algorithm=algorithm)
    for a, expected in zip(got, results(reference, case), strict=True):
        assert a.dtype == case.x.dtype
        assert_close(a, expected, TOLERANCE[case.x.dtype.type])
    for a, b in zip(got, results(cpu, case, algorithm=algorithm), strict=True):
        assert np.array_equal(a, b), "two runs differ"


@pytest.mark.parametrize(
    ("weight_shape", "kind", "padding", "groups", "expected"),
    [
        ((6, 1, 5, 5), np.float32, 2, 1, "direct"),
        ((16, 6, 5, 5), np.float32, 0, 1, "direct"),
        ((64, 64, 3, 3), np.float32, 1, 1, "winograd"),
        ((64, 64, 3, 3), np.float64, 1, 1, "im2col"),
        ((64, 3, 3, 3), np.float32, 1, 1, "im2col"),
        ((64, 64, 1, 1), np.float32, 0, 1, "im2col"),
        ((64, 1, 3, 3), np.float32, 1, 64, "depthwise"),
        ((64, 32, 3, 3), np.float32, 1, 2, "im2col"),
    ],
)
def test_algorithm(weight_shape, kind, padding, groups, expected):
    geometry = (1, 1), (padding, padding), (1, 1), groups
    assert cpu.choose_algorithm(np.dtype(kind), 8, weight_shape, (8, 8), *geometry) == expected


def test_algorithm_for_few_pixels():
    def choose(*shape, size=7, **options):
        geometry = (size, size), (1, 1), (1, 1), (1, 1), 1
        return cpu.choose_algorithm(np.dtype(np.float32), 1, shape, *geometry, **options)

    assert choose(512, 512, 3, 3) == choose(512, 512, 1, 1) == "im2col"
    assert choose(512, 512, 3, 3, gradient=True) == choose(512, 512, 3, 3, size=9) == "winograd"
    assert choose(512, 512, 3, 3, weight_last=True) == "skinny"
    assert choose(512, 512, 3, 3, size=4) == choose(512, 512, 1, 1, size=1) == "skinny"
    assert choose(512, 512, 3, 3, size=2, gradient=True) == "two_by_two"


def test_algorithm_that_does_not_fit_is_refused():
    case = make_case(1, 4, 4, (8, 8), (3, 3), (2, 2), (1, 1), (1, 1), 1, np.float32)
    with pytest.raises(ValueError, match="algorithm='winograd' does not compute .*; use 'skinny', 'im2col', 'direct'"):
        cpu.forward(case.x, case.weight, None, *case.geometry, algorithm="winograd")


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_channels_last_in_channels_last_out(kernel):
    case = make_case(2, 24, 32, (8, 8), (kernel, kernel), (1, 1), (kernel // 2,) * 2, (1, 1), 1, np.float32)
    case.x, case.dy = (a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) for a in (case.x, case.dy))
    y, dx, *_ = results(cpu, case)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous and dx.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize(("channels", "out_channels"), [(1, 64), (3, 6), (64, 16)])
def test_many_channels_lie_last(channels, out_channels):
    case = make_case(2, channels, out_channels, (8, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    y, dx, dweight, _ = results(cpu, case)
    for a in (y, dx):
        first = a.shape[1] < cpu.CHANNELS_LAST and min(channels, out_channels) < 16  # small layers run "direct"
        assert (a if first else a.transpose(0, 2, 3, 1)).flags.c_contiguous
    assert dweight.flags.c_contiguous


@pytest.mark.parametrize(("channels", "out_channels"), [(24, 130), (300, 40), (40, 300)])
def test_winograd_of_many_channels_in_blocks(channels, out_channels):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, channels, 7, 9)).astype(np.float32)
    weight = rng.standard_normal((out_channels, channels, 3, 3)).astype(np.float32)
    dy = rng.standard_normal((2, out_channels, 7, 9)).astype(np.float32)
    x64, weight64, dy64 = (array.astype(np.float64) for array in (x, weight, dy))
    one = (1, 1)
    pairs = [
        (
            cpu.forward(x, weight, None, one, one, one, 1, algorithm="winograd"),
            reference.forward(x64, weight64, None, one, one, one, 1),
        ),
        (
            cpu.input_gradient(dy, weight, x.shape, one, one, one, 1, algorithm="winograd"),
            reference.input_gradient(dy64, weight64, x.shape, one, one, one, 1),
        ),
        (
            cpu.weight_gradient(dy, x, (3, 3), one, one, one, 1, algorithm="winograd"),
            reference.weight_gradient(dy64, x64, (3, 3), one, one, one, 1),
        ),
    ]
    for got, want in pairs:
        assert np.abs(got - want).max() < 1e-4 * np.abs(want).max()


@pytest.mark.parametrize("lay", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize(("batch", "channels", "out_channels"), [(0, 3, 2), (1, 5, 40), (6, 33, 7), (9, 140, 72)])
def test_two_by_two(batch, channels, out_channels, lay):
    one = (1, 1)
    case = make_case(batch, channels, out_channels, (2, 2), (3, 3), one, one, one, 1, np.float32)
    case.x, case.dy = lay(case.x), lay(case.dy)
    exact = Case(*(a.astype(np.float64) for a in (case.x, case.weight, case.bias, case.dy)), case.geometry)
    for a, expected in zip(results(cpu, case, algorithm="two_by_two"), results(reference, exact), strict=True):
        assert a.dtype == np.float32
        assert_close(a, expected, 1e-5)


@pytest.mark.parametrize("batch", [1, 40])
def test_winograd_on_one_thread(batch):
    """Few tiles and many take the work in different orders; neither depends on who does it."""
    case = make_case(batch, 150, 40, (8, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1, np.float32)
    assert_same_on_one_thread(lambda: results(cpu, case, algorithm="winograd"))


@pytest.mark.parametrize("algorithm", ["winograd", "im2col"])
@pytest.mark.parametrize("channels", [32, 512])
def test_float32_is_close_to_float64_whatever_the_depth(algorithm, channels):
    """Winograd's points and the order of the sums: with worse ones the errors are 2e-6 and more."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, channels, 12, 12), np.float32), rng.standard_normal((32, channels, 3, 3))
    dy, weight = rng.standard_normal((2, 32, 12, 12), np.float32), weight.astype(np.float32)
    geometry = (1, 1), (1, 1), (1, 1), 1
    found = [
        cpu.forward(x, weight, None, *geometry, algorithm=algorithm),
        cpu.input_gradient(dy, weight, x.shape, *geometry, algorithm=algorithm),
        cpu.weight_gradient(dy, x, (3, 3), *geometry, algorithm=algorithm),
    ]
    x, weight, dy = (array.astype(np.float64) for array in (x, weight, dy))
    truth = [
        reference.forward(x, weight, None, *geometry),
        reference.input_gradient(dy, weight, x.shape, *geometry),
        reference.weight_gradient(dy, x, (3, 3), *geometry),
    ]
    for result, exact in zip(found, truth, strict=True):
        assert np.linalg.norm(result - exact) < 1.1e-6 * np.linalg.norm(exact)


@pytest.mark.parametrize("size", [2, 12])
def test_highest_precision_takes_the_exact_algorithms(monkeypatch, size):
    from minigrad.kernels import precision

    monkeypatch.setattr(precision, "_asked", {"precision": ""})
    monkeypatch.setattr(precision, "set_allow_tf32", lambda kind, value: None)
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((20, 32, size, size), np.float32), rng.standard_normal((32, 32, 3, 3), np.float32)
    geometry = (1, 1), (1, 1), (1, 1), 1

    def computed(algorithm=None):
        return [
            cpu.forward(x, weight, None, *geometry, algorithm=algorithm),
            cpu.input_gradient(x, weight, x.shape, *geometry, algorithm=algorithm),
            cpu.weight_gradient(x, x, (3, 3), *geometry, algorithm=algorithm),
        ]

    fast, plain = computed("two_by_two" if size == 2 else "winograd"), computed("im2col")
    for asked, expected in (("", fast), ("highest", plain), ("high", fast), ("medium", fast)):
        if asked:
            precision.set_float32_matmul_precision(asked)
        for result, other in zip(computed(), expected, strict=True):
            np.testing.assert_array_equal(result, other)
