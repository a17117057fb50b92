"""Philox: the published vectors, and the same numbers from every implementation and number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import assert_same_on_one_thread
from scipy import stats

from minigrad.kernels.philox import cpu, reference

IMPLEMENTATIONS = pytest.mark.parametrize("philox", [reference, cpu], ids=["reference", "cpu"])


# Random123's kat_vectors, lowest counter and key word first: counter, key, output.
@IMPLEMENTATIONS
@pytest.mark.parametrize(
    "counter, key, output",
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_published_vectors(philox, counter, key, output):
    def number(words):
        return int("".join(reversed(words.split())), 16)

    words = philox.random_bits(4, seed=number(key), offset=number(counter))
    assert words.dtype == np.uint32
    assert [f"{word:08x}" for word in words] == output.split()


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(0, 9000),
    seed=st.integers(0, 2**64 - 1),
    offset=st.integers(0, 2**128 - 1) | st.integers(2**64 - 1000, 2**64),
)
def test_cpu_draws_what_the_reference_draws(n, seed, offset):
    np.testing.assert_array_equal(cpu.random_bits(n, seed, offset), reference.random_bits(n, seed, offset), strict=True)
    for draw in ("uniform", "normal"):
        for dtype in (np.float32, np.float64):
            expected = getattr(reference, draw)(n, seed, offset, dtype)
            assert expected.dtype == dtype and expected.shape == (n,)
            np.testing.assert_array_equal(getattr(cpu, draw)(n, seed, offset, dtype), expected, strict=True)


def test_no_number_depends_on_the_thread_count():
    assert_same_on_one_thread(lambda: [cpu.random_bits(50_000, seed=3, offset=1)])


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype, per_block", [(np.float32, 4), (np.float64, 2)])
def test_the_stream_goes_on_after_the_blocks_of_a_draw(philox, dtype, per_block):
    """A draw that begins `blocks(n)` later repeats nothing and skips nothing."""
    assert [philox.blocks(n, dtype) for n in (0, 1, per_block, per_block + 1)] == [0, 1, 1, 2]
    n = 10 * per_block
    whole = philox.uniform(2 * n, seed=5, offset=7, dtype=dtype)
    rest = philox.uniform(n, seed=5, offset=7 + philox.blocks(n, dtype), dtype=dtype)
    np.testing.assert_array_equal(whole[n:], rest)


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype, bits", [(np.float32, 24), (np.float64, 53)])
def test_uniform_has_all_its_bits_and_stays_below_one(philox, dtype, bits):
    u = philox.uniform(20_000, seed=11, offset=0, dtype=dtype)
    assert u.min() >= 0 and u.max() < 1
    steps = u.astype(np.float64) * 2.0**bits
    assert (steps == np.floor(steps)).all() and (steps % 2 == 1).any()
    assert stats.kstest(u, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_is_normal(dtype):
    z = reference.normal(20_001, seed=13, offset=0, dtype=dtype)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.03
