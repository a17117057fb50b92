"""Matrix products on the GPU: small integers bit for bit for every shape and layout, TF32 against rounded operands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda import precision, simulated, tiling
from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.matmul import cuda

rng = np.random.default_rng(0)
SIZES = st.sampled_from([1, 2, 5, 8, 31, 36, 65])


@pytest.fixture
def tf32():
    precision.set_allow_tf32("matmul", True)
    yield
    precision.set_allow_tf32("matmul", False)


def operand(xp, shape, turned, dtype=np.float32):
    """Small integers, on the host and on the device, lying row by row or, `turned`, column by column."""
    host = rng.integers(-4, 5, shape).astype(dtype)
    return host, xp.asarray(host.swapaxes(-1, -2).copy()).swapaxes(-1, -2) if turned else xp.asarray(host)


def check(xp, m, k, n, turned=(False, False), dtype=np.float32):
    a, b = operand(xp, (m, k), turned[0], dtype), operand(xp, (k, n), turned[1], dtype)
    product = cuda.matmul(a[1], b[1])
    np.testing.assert_array_equal(product.get(), a[0] @ b[0], strict=True)


def forced(monkeypatch, tile=None, splits=1):
    def cut(tiles, rows, columns, depth, count=1):
        chosen = tile or tiles[-1]
        return chosen, splits, -(-depth // (chosen.step * splits)) * chosen.step

    monkeypatch.setattr(cuda, "cut", cut)


@settings(max_examples=50, deadline=None)
@given(SIZES, SIZES, SIZES, st.booleans(), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_exact_bit_for_bit(xp, m, k, n, first, second, dtype):
    check(xp, m, k, n, (first, second), dtype)


@settings(max_examples=40, deadline=None)
@given(m=SIZES, k=SIZES, n=SIZES, first=st.booleans(), second=st.booleans())
def test_tensor_cores_bit_for_bit(xp, m, k, n, first, second):
    precision.set_allow_tf32("matmul", True)
    try:
        check(xp, m, k, n, (first, second))
    finally:
        precision.set_allow_tf32("matmul", False)


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("tile", tiling.EXACT, ids=lambda tile: str(tile.rows))
def test_exact_tiles(xp, monkeypatch, tile, turned):
    forced(monkeypatch, tile)
    check(xp, tile.rows + 3, 2 * tile.step + 1, tile.columns + 1, turned)


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("tile", [tiling.TENSOR_CORES[0], tiling.TENSOR_CORES[2]], ids=lambda tile: str(tile.rows))
def test_tensor_core_tiles(xp, monkeypatch, tf32, tile, turned):
    forced(monkeypatch, tile)
    check(xp, tile.rows + 4, 3 * tile.step + 4, tile.columns + 8, turned)


@pytest.mark.parametrize("splits", [3, 32])
def test_cut_depth(xp, monkeypatch, splits):
    forced(monkeypatch, splits=splits)
    check(xp, 5, 700, 9)


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("turned", [(False, False), (True, True)])
def test_no_access_is_out_of_bounds_or_unordered(xp, monkeypatch, turned, mode):
    forced(monkeypatch, splits=2)
    with simulate(mode=mode):
        check(xp, 33, 70, 34, turned)
        precision.set_allow_tf32("matmul", True)
        try:
            check(xp, 68, 72, 4, turned)
            check(xp, 3, 70, 67, turned)
        finally:
            precision.set_allow_tf32("matmul", False)


def test_float32_is_exact_unless_tf32_is_allowed(xp, tf32):
    a, b = rng.standard_normal((20, 500)).astype("f"), rng.standard_normal((500, 30)).astype("f")
    want = a.astype(np.float64) @ b.astype(np.float64)

    def error():
        return np.linalg.norm(cuda.matmul(xp.asarray(a), xp.asarray(b)).get() - want) / np.linalg.norm(want)

    assert 1e-5 < error() < 1e-3
    if simulated():
        with simulate(capability=(7, 5)):
            assert error() < 1e-6
    precision.set_allow_tf32("matmul", False)
    assert error() < 1e-6


def test_tensor_cores_round_their_operands_and_nothing_else(xp, tf32):
    bits = rng.standard_normal((2, 40, 40)).astype("f").view(np.uint32)
    a, b = ((bits + 0x1000) & 0xFFFFE000).view("f")
    want = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(cuda.matmul(xp.asarray(a), xp.asarray(b)).get(), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((4,), (4,)),
        ((4,), (4, 3)),
        ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((0, 4), (4, 3)),
        ((3, 0), (0, 2)),
        ((0, 3, 4), (4, 2)),
    ],
)
def test_batches_vectors_and_empty_operands_as_numpy(xp, first, second):
    a, b = rng.integers(-4, 5, first).astype("f"), rng.integers(-4, 5, second).astype("f")
    np.testing.assert_array_equal(cuda.matmul(xp.asarray(a), xp.asarray(b)).get(), a @ b)


def test_operands_with_gaps_and_turned_batches(xp):
    a, b = rng.integers(-4, 5, (3, 6, 10)).astype("f"), rng.integers(-4, 5, (3, 7, 5)).astype("f")
    got = cuda.matmul(xp.asarray(a)[:, ::2, ::2], xp.asarray(b).swapaxes(1, 2))
    np.testing.assert_array_equal(got.get(), a[:, ::2, ::2] @ b.swapaxes(1, 2))


def test_long_sums_stay_exact(xp):
    """Over the 25088 inputs of VGG-16's first Linear layer."""
    a, b = rng.standard_normal((8, 25088)).astype("f"), rng.standard_normal((25088, 8)).astype("f")
    want = a.astype(np.float64) @ b.astype(np.float64)
    got = cuda.matmul(xp.asarray(a), xp.asarray(b)).get()
    assert np.linalg.norm(got - want) < 5e-6 * np.linalg.norm(want)
