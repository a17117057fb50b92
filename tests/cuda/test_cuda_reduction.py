"""Sums on the GPU: against exact sums, for every way in which a shape is cut into blocks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.reduction import cuda, reference

rng = np.random.default_rng(0)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(0, 70), st.sampled_from([0, 1, 2, 6, 33, 70])),
    dtype=st.sampled_from([np.float32, np.float64]),
    rows=st.sampled_from([1, 2, 64]),
    blocks=st.sampled_from([1, 5, 512]),
)
def test_sums_equal_the_reference(xp, shape, dtype, rows, blocks):
    a = rng.standard_normal(shape).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "ROWS", rows)
        patch.setattr(cuda, "BLOCKS", blocks)
        total = cuda.sum_middle(xp.asarray(a)).get()
    np.testing.assert_allclose(total, reference.sum_middle(a), rtol=1e-6, atol=1e-13, strict=True)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 10**k) for k in (4, 7, 4)]))
def test_every_row_is_in_one_chunk_and_every_column_in_one_block(shape):
    p, n, q = shape
    for cut in (cuda.plan(p, n, q), cuda.one_chunk(p, n, q)):
        assert cut.width * cut.rows <= cuda.THREADS and cut.chunk_rows < 2**31
        assert (cut.chunks - 1) * cut.chunk_rows < n <= cut.chunks * cut.chunk_rows
        places = cuda.THREADS // (cut.width * cut.rows)
        assert cut.blocks == -(-q // cut.width) * cut.chunks * -(-p // places) < 2**31


@pytest.mark.parametrize("shape", [(1, 100_003, 1), (1, 40_001, 3)])
def test_long_sums_keep_their_digits(xp, shape):
    a = rng.uniform(0, 1, shape).astype(np.float32)
    exact = [math.fsum(a[0, :, c].tolist()) for c in range(shape[2])]
    assert cuda.plan(*shape).chunks > 1
    first = cuda.sum_middle(xp.asarray(a)).get()
    with simulate(order=5):
        again = cuda.sum_middle(xp.asarray(a)).get()
    np.testing.assert_array_equal(first[0], np.array(exact, np.float32))
    np.testing.assert_array_equal(first, again)


def test_nan_and_infinity_show(xp):
    a = np.zeros((2, 100, 1), np.float32)
    a[0, 50], a[1, 3], a[1, 4] = np.nan, np.inf, 1
    np.testing.assert_array_equal(cuda.sum_middle(xp.asarray(a)).get(), [[np.nan], [np.inf]])


def test_any_layout_is_taken(xp):
    a = rng.integers(-9, 9, (4, 6, 5)).astype(np.float32)
    total = cuda.sum_middle(xp.asarray(a).transpose(2, 0, 1)).get()
    np.testing.assert_array_equal(total, a.transpose(2, 0, 1).sum(1))


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("shape", [(3, 9, 1), (1, 600, 6), (2, 300, 40)])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, shape, monkeypatch):
    monkeypatch.setattr(cuda, "ROWS", 2)
    a = rng.integers(-9, 9, shape).astype(np.float32)
    with simulate(mode=mode, order=7):
        np.testing.assert_array_equal(cuda.sum_middle(xp.asarray(a)).get(), a.sum(1))
