"""Sums of rows at positions, on the GPU, against the reference; and checks of values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.cuda import check
from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.sum_rows import cpu, cuda, reference

DTYPES = np.float32, np.float64, np.int64, np.uint8


@st.composite
def problems(draw):
    """rows (K, C), positions (K,) and how many rows the result has; small integers, whose sums are exact."""
    k, columns, count = draw(st.integers(0, 300)), draw(st.sampled_from([0, 1, 2, 7, 33, 70])), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    rows = rng.integers(0, 5, (k, columns)).astype(draw(st.sampled_from(DTYPES)))
    return rows, rng.integers(0, count, k), count


@settings(max_examples=60, deadline=None)
@given(problems(), st.booleans())
def test_sums_equal_the_reference(xp, problem, sorts):
    rows, positions, count = problem
    expected = reference.sum_rows(rows, positions, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "SCANNED", 0 if sorts else cuda.SCANNED)
        mine = cuda.sum_rows(xp.asarray(rows), xp.asarray(positions), count)
    np.testing.assert_array_equal(mine.get(), expected)
    np.testing.assert_array_equal(cpu.sum_rows(rows, positions, count), expected)


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_sums_are_sound_in_any_order_of_threads(xp, mode, order):
    rows = np.random.default_rng(0).standard_normal((90, 5)).astype(np.float32)
    positions = np.arange(90) % 4
    with simulate(mode=mode, order=order), pytest.MonkeyPatch.context() as patch:
        total = cuda.sum_rows(xp.asarray(rows), xp.asarray(positions), 6)
        patch.setattr(cuda, "SCANNED", 0)
        sorted_first = cuda.sum_rows(xp.asarray(rows), xp.asarray(positions), 6)
        word = check.words(total, 1)
        check.check_range(xp.asarray(positions), 0, 2, -100, word)
        check.check_none(xp.asarray(positions > 5), word)
    exact = reference.sum_rows(rows.astype(np.float64), positions, 6)
    np.testing.assert_array_equal(total.get(), exact.astype(np.float32))
    np.testing.assert_array_equal(sorted_first.get(), exact.astype(np.float32))
    assert check.noted_value(int(word.get()[0])) == 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**62), 2**62) | st.integers(-3, 12), max_size=600),
    st.integers(-2, 2),
    st.integers(3, 9),
    st.sampled_from([-100, 11]),
)
def test_the_largest_wrong_value_is_noted(xp, values, low, high, exception):
    word = check.words(xp.zeros(1), 1)
    check.check_range(xp.asarray(np.array(values, np.int64)), low, high, exception, word)
    wrong = [value for value in values if not low <= value <= high and value != exception]
    noted = int(word.get()[0])
    assert (noted == 0) == (not wrong)
    if wrong:
        assert check.noted_value(noted) == max(wrong)


def test_a_mark_is_noted_wherever_it_is(xp):
    for size in (1, 255, 256, 300_000):
        marks = np.zeros(size, bool)
        word = check.words(xp.zeros(1), 1)
        check.check_none(xp.asarray(marks), word)
        assert int(word.get()[0]) == 0
        marks[-1] = True
        check.check_none(xp.asarray(marks), word)
        assert int(word.get()[0]) != 0
