"""Convolution on the GPU: integers bit for bit, TF32 against rounded operands; every geometry, layout and tile."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.conv2d import cuda, reference
from minigrad.kernels.cuda import precision, simulated, tiling
from minigrad.kernels.cuda.simulator import simulate

rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Layer:
    """A layer's shapes and geometry."""

    batch: int
    groups: int
    group_in: int
    group_out: int
    size: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple

    @property
    def geometry(self):
        return self.stride, self.padding, self.dilation, self.groups

    def operands(self, draw, dtype=np.float32):
        """x, weight, bias, dy."""
        x = draw((self.batch, self.groups * self.group_in, *self.size)).astype(dtype)
        weight = draw((self.groups * self.group_out, self.group_in, *self.kernel)).astype(dtype)
        bias = draw((len(weight),)).astype(dtype)
        dy = draw(reference.forward(x, weight, bias, *self.geometry).shape).astype(dtype)
        return x, weight, bias, dy


@st.composite
def layers(draw, depthwise=False):
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel, dilation, padding = draw(pair(1, 3)), draw(pair(1, 2)), draw(pair(0, 2))
    smallest = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = tuple(draw(st.integers(s, s + 6)) for s in smallest)
    if depthwise:
        channels = draw(st.integers(2, 40)), 1, 1
    else:
        channels = tuple(draw(st.sampled_from(choices)) for choices in ((1, 2, 3), (1, 2, 4, 5, 8), (1, 3, 4, 8)))
    return Layer(draw(st.integers(1, 2)), *channels, size, kernel, draw(pair(1, 3)), padding, dilation)


def plain(groups=1, group_in=8, group_out=8, batch=2, size=(6, 5), kernel=(3, 3), stride=(1, 1), padding=(1, 1)):
    return Layer(batch, groups, group_in, group_out, size, kernel, stride, padding, (1, 1))


def integers(shape):
    """Their products and sums are exact in TF32 and float32, so that one wrong term shows."""
    return rng.integers(-4, 5, shape)


def rounded_normal(shape):
    """Normal numbers that TF32 holds."""
    bits = rng.standard_normal(shape).astype(np.float32).view(np.uint32)
    return ((bits + 0x1000) & 0xFFFFE000).view(np.float32)


def on_device(xp, layer, operands, algorithm):
    """y, dx, dweight and dbias, fetched."""
    x, weight, bias, dy = map(xp.asarray, operands)
    y = cuda.forward(x, weight, bias, *layer.geometry, algorithm=algorithm)
    dx = cuda.input_gradient(dy, weight, x.shape, *layer.geometry, algorithm=algorithm)
    dbias = xp.empty(bias.shape, bias.dtype)
    dweight = cuda.weight_gradient(dy, x, layer.kernel, *layer.geometry, algorithm=algorithm, dbias=dbias)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous and dx.transpose(0, 2, 3, 1).flags.c_contiguous
    assert dweight.flags.c_contiguous
    return y.get(), dx.get(), dweight.get(), dbias.get()


def expected(layer, operands):
    """The same by the reference, in float64."""
    x, weight, bias, dy = (operand.astype(np.float64) for operand in operands)
    dbias = np.empty_like(bias)
    return (
        reference.forward(x, weight, bias, *layer.geometry),
        reference.input_gradient(dy, weight, x.shape, *layer.geometry),
        reference.weight_gradient(dy, x, layer.kernel, *layer.geometry, dbias=dbias),
        dbias,
    )


def assert_equal(xp, layer, algorithm, dtype=np.float32):
    operands = layer.operands(integers, dtype)
    for got, want in zip(on_device(xp, layer, operands, algorithm), expected(layer, operands), strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, want)


def error(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def forced(monkeypatch, tile=None, splits=None):
    """Every product is cut into these tiles, or its depth into so many parts (some of them may be empty)."""

    def cut(tiles, rows, columns, depth, count=1):
        chosen = tile or tiles[-1]
        parts = splits or 1
        return chosen, parts, -(-depth // (chosen.step * parts)) * chosen.step

    monkeypatch.setattr(cuda, "cut", cut)


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from(["tensor_cores", "exact", "im2col"]))
def test_integers_bit_for_bit(xp, layer, algorithm):
    assert_equal(xp, layer, algorithm)


@settings(max_examples=20, deadline=None)
@given(layers(depthwise=True), st.sampled_from([None, "depthwise"]))
def test_depthwise_bit_for_bit(xp, layer, algorithm):
    assert_equal(xp, layer, algorithm)


@settings(max_examples=20, deadline=None)
@given(layers(), st.sampled_from([None, "im2col"]))
def test_float64_is_exact_and_its_gradients_are_adjoints(xp, layer, algorithm):
    """<conv(x, w), dy> = <x, input gradient> = <w, weight gradient>, without bias."""
    operands = layer.operands(rng.standard_normal, np.float64)
    results = on_device(xp, layer, operands, algorithm)
    for got, want in zip(results, expected(layer, operands), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    (y, dx, dweight, _), (x, weight, bias, dy) = results, operands
    inner = np.vdot(y - bias[:, None, None], dy)
    scale = np.linalg.norm(y) * np.linalg.norm(dy) + 1
    assert abs(inner - np.vdot(x, dx)) < 1e-12 * scale and abs(inner - np.vdot(weight, dweight)) < 1e-12 * scale


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_scale", [False, True])
@pytest.mark.parametrize(
    "layer", [plain(2, 3, 5), plain(4, 1, 1), plain(batch=0)], ids=["groups", "depthwise", "empty"]
)
def test_scale_and_relu_follow(xp, layer, with_scale, relu, with_bias):
    x, weight, bias, _ = layer.operands(integers, np.float64)
    bias, scale = bias if with_bias else None, integers(len(weight)).astype(np.float64) if with_scale else None
    on_gpu = [None if array is None else xp.asarray(array) for array in (x, weight, bias, scale)]
    got = cuda.forward(*on_gpu[:3], *layer.geometry, scale=on_gpu[3], relu=relu)
    expected = reference.forward(x, weight, bias, *layer.geometry, scale=scale, relu=relu)
    np.testing.assert_array_equal(got.get(), expected)
    np.testing.assert_array_equal(on_gpu[1].get(), weight)


@pytest.mark.parametrize("channels", [(8, 8), (5, 7)], ids=["16_bytes", "4_bytes"])
@pytest.mark.parametrize("tile", tiling.TENSOR_CORES, ids=lambda tile: f"{tile.rows}x{tile.columns}")
def test_tensor_core_tiles(xp, monkeypatch, tile, channels):
    """Two tiles down and across, one of them cut off; TF32 operands, so that only the order of the sums differs."""
    if channels == (5, 7) and tile is tiling.TENSOR_CORES[0]:
        pytest.skip("the largest tile copies 16 bytes at a time")
    forced(monkeypatch, tile)
    group_in, group_out = tile.columns + channels[0], tile.columns + channels[1]
    layer = plain(1, group_in, group_out, batch=3, size=(9, 5), kernel=(1, 2), padding=(0, 1))
    assert_equal(xp, layer, "tensor_cores")
    operands = layer.operands(rounded_normal)
    for got, want in zip(on_device(xp, layer, operands, "tensor_cores"), expected(layer, operands), strict=True):
        assert error(got, want) < 1e-6


@pytest.mark.parametrize("tile", tiling.EXACT, ids=lambda tile: str(tile.rows))
def test_exact_tiles(xp, monkeypatch, tile):
    forced(monkeypatch, tile)
    layer = plain(1, tile.columns + 5, tile.columns + 3, batch=3, size=(9, 5), kernel=(1, 2), padding=(0, 1))
    assert_equal(xp, layer, "exact")
    operands = layer.operands(rng.standard_normal)
    for got, want in zip(on_device(xp, layer, operands, "exact"), expected(layer, operands), strict=True):
        assert error(got, want) < 1e-6


@pytest.mark.parametrize("splits", [2, 16, 32, 48])
@pytest.mark.parametrize("algorithm", ["tensor_cores", "exact"])
def test_cut_depth(xp, monkeypatch, algorithm, splits):
    """Also into parts of which some are empty, and into more than are added at a time."""
    forced(monkeypatch, splits=splits)
    assert_equal(xp, plain(2, 12, 4, size=(8, 9), stride=(2, 1)), algorithm)


def test_many_pixels_of_a_depthwise_layer_are_cut(xp, monkeypatch):
    monkeypatch.setattr(cuda.depthwise, "PIXELS", 2)
    assert_equal(xp, plain(5, 1, 1, size=(7, 7)), "depthwise")


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize(
    ("algorithm", "layer"),
    [
        ("tensor_cores", plain(2, 4, 8, stride=(2, 1))),
        ("tensor_cores", plain(1, 3, 5, batch=1, padding=(2, 0))),
        ("exact", plain(2, 3, 5, stride=(2, 3))),
        ("im2col", plain(2, 3, 2, batch=1, stride=(2, 1))),
        ("depthwise", plain(33, 1, 1, stride=(2, 1))),
    ],
    ids=["tensor_cores", "4_bytes", "exact", "im2col", "depthwise"],
)
def test_no_access_is_out_of_bounds_or_unordered(xp, monkeypatch, algorithm, layer, mode):
    forced(monkeypatch, splits=2)
    with simulate(mode=mode):
        assert_equal(xp, layer, algorithm)


@pytest.mark.parametrize("algorithm", ["tensor_cores", "exact"])
def test_result_does_not_depend_on_the_order_of_threads(xp, algorithm):
    layer = plain(1, 12, 20, stride=(2, 1))
    operands = layer.operands(rng.standard_normal)
    results = []
    for order in (0, 1, 7):
        with simulate(order=order):
            results.append(on_device(xp, layer, operands, algorithm))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("algorithm", ["tensor_cores", "exact", "im2col"])
def test_operands_of_any_strides(xp, algorithm):
    """Channels-last, with gaps, and beginning in the middle of 16 bytes."""
    layer = plain(1, 4, 4)
    x, weight, bias, dy = layer.operands(integers)
    y, dx, dweight, _ = expected(layer, (x, weight, bias, dy))

    def variants(array):
        flat = np.zeros(array.size + 1, array.dtype)
        flat[1:] = array.transpose(0, 2, 3, 1).ravel()
        yield xp.asarray(array.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)
        yield xp.asarray(np.repeat(array, 2, axis=3))[..., ::2]
        yield xp.asarray(flat)[1:].reshape(*(array.shape[i] for i in (0, 2, 3, 1))).transpose(0, 3, 1, 2)

    for x_, weight_, dy_ in zip(variants(x), variants(weight), variants(dy), strict=True):
        got = cuda.forward(x_, weight_, xp.asarray(np.repeat(bias, 2))[::2], *layer.geometry, algorithm=algorithm)
        np.testing.assert_array_equal(got.get(), y)
        got = cuda.input_gradient(dy_, weight_, x.shape, *layer.geometry, algorithm=algorithm)
        np.testing.assert_array_equal(got.get(), dx)
        got = cuda.weight_gradient(dy_, x_, layer.kernel, *layer.geometry, algorithm=algorithm)
        np.testing.assert_array_equal(got.get(), dweight)


@pytest.mark.parametrize("algorithm", [None, "exact", "im2col"])
def test_empty_batch(xp, algorithm):
    layer = plain(batch=0)
    x, weight, _, dy = (xp.zeros(o.shape, o.dtype) for o in plain(batch=1).operands(integers))
    assert cuda.forward(x[:0], weight, None, *layer.geometry, algorithm=algorithm).shape == (0, *dy.shape[1:])
    assert cuda.input_gradient(dy[:0], weight, x[:0].shape, *layer.geometry, algorithm=algorithm).shape == x[:0].shape
    dweight = cuda.weight_gradient(dy[:0], x[:0], layer.kernel, *layer.geometry, algorithm=algorithm)
    np.testing.assert_array_equal(dweight.get(), np.zeros(weight.shape))


def test_nan_and_inf_pass_through_rounding(xp):
    layer = plain(1, 4, 4, batch=1, kernel=(1, 1), padding=(0, 0))
    x, weight, bias, _ = layer.operands(integers)
    x[0, 1, 2, 3], weight[:] = np.nan, 1
    weight[2, 2] = np.inf
    with np.errstate(invalid="ignore"):
        want = reference.forward(x, weight, bias, *layer.geometry)
    got = cuda.forward(*map(xp.asarray, (x, weight, bias)), *layer.geometry, algorithm="tensor_cores")
    np.testing.assert_array_equal(got.get(), want)


def test_tensor_cores_only_where_allowed_and_there():
    float32, float64 = np.dtype("f"), np.dtype("d")
    assert cuda.choose_algorithm(float32, False) == "tensor_cores"
    assert cuda.choose_algorithm(float64, False) == "exact"
    assert cuda.choose_algorithm(float32, True) == "depthwise"
    if simulated():
        with simulate(capability=(7, 5)):
            assert cuda.choose_algorithm(float32, False) == "exact"
    precision.set_allow_tf32("conv", False)
    try:
        assert cuda.choose_algorithm(float32, False) == "exact"
    finally:
        precision.set_allow_tf32("conv", True)


def test_algorithm_that_does_not_fit_is_refused(xp):
    x = xp.zeros((1, 2, 4, 4), np.float64)
    with pytest.raises(
        ValueError, match="algorithm='tensor_cores' does not compute float64 here; use one of exact, im2col"
    ):
        cuda.forward(x, xp.zeros((3, 2, 1, 1), np.float64), None, (1, 1), (0, 0), (1, 1), 1, algorithm="tensor_cores")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([tiling.EXACT, tiling.TENSOR_CORES]),
    *[st.integers(1, 10**p) for p in (6, 4, 6)],
    st.integers(1, 64),
)
def test_cut_covers_the_depth_in_whole_steps(tiles, rows, columns, depth, count):
    tile, splits, per_split = tiling.cut(tiles, rows, columns, depth, count)
    assert tile in tiles and per_split % tile.step == 0 and splits * per_split >= depth
    assert splits <= tiling.PARTS_AT_A_TIME or splits % tiling.PARTS_AT_A_TIME == 0


def test_float16_is_refused(xp):
    x = xp.zeros((1, 2, 4, 4), np.float16)
    with pytest.raises(RuntimeError, match="conv2d: .*float16"):
        cuda.forward(x, xp.zeros((3, 2, 1, 1), np.float16), None, (1, 1), (0, 0), (1, 1), 1)


def test_too_large_a_picture_is_refused():
    with pytest.raises(ValueError, match="conv2d: a picture of 2147483648 elements is too large"):
        cuda._check_sizes(2**31, 1, 1)
