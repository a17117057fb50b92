"""Random numbers on the GPU: the reference's, bit for bit, and a position that a replayed graph can advance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.philox import cuda, reference

DRAWS = given(
    n=st.integers(0, 2100),
    seed=st.sampled_from([0, 1, 2**32 - 1, 2**63 + 5, 2**64 - 1, -3]),
    offset=st.sampled_from([0, 7, 2**32 - 2, 2**64 - 3, 2**96 - 1, 2**128 - 2]),
)


@settings(max_examples=30, deadline=None)
@DRAWS
def test_words_and_uniform_numbers_are_the_references(n, seed, offset):
    np.testing.assert_array_equal(
        cuda.random_bits(n, seed, offset).get(), reference.random_bits(n, seed, offset), strict=True
    )
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(
            cuda.uniform(n, seed, offset, dtype).get(), reference.uniform(n, seed, offset, dtype), strict=True
        )


@settings(max_examples=10, deadline=None)
@DRAWS
def test_normal_numbers_are_the_references_to_the_last_bits(n, seed, offset):
    for dtype in (np.float32, np.float64):
        numbers = cuda.normal(n, seed, offset, dtype).get()
        expected = reference.normal(n, seed, offset, dtype)
        np.testing.assert_allclose(numbers, expected, rtol=8 * np.finfo(dtype).eps, atol=0, strict=True)


def test_a_replay_goes_on_where_the_last_one_ended(xp):
    seed, used, offset = 2**40 + 1, 2**64 - 5, 3
    state = xp.asarray(np.array([seed, used], np.uint64))
    for replay in range(3):
        words = cuda.random_bits(30, state, offset).get()
        np.testing.assert_array_equal(words, reference.random_bits(30, seed, offset + (used + 11 * replay) % 2**64))
        cuda.advance(state, 11)


@pytest.mark.parametrize("mode", ["check", "ubsan"])
def test_memory_is_kept_to_and_no_threads_race(mode):
    with simulate(mode=mode):
        for n in (1, 5, 1030):
            np.testing.assert_array_equal(cuda.random_bits(n, 5, 9).get(), reference.random_bits(n, 5, 9))
            np.testing.assert_array_equal(cuda.uniform(n, 5, 9).get(), reference.uniform(n, 5, 9))
            assert np.isfinite(cuda.normal(n, 5, 9).get()).all()
