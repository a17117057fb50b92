"""Copies from one order in memory to the other: values stay, the order is the one asked for."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS, assert_same_on_one_thread

from minigrad.kernels.cpu import relayout


@st.composite
def images(draw):
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 70), st.integers(1, 9), st.integers(1, 9)))
    array = np.random.default_rng(0).standard_normal(shape).astype(draw(st.sampled_from(["f4", "f8", ">f4", "i8"])))
    return draw(st.sampled_from(list(LAYOUTS.values())))(array)


@settings(max_examples=60, deadline=None)
@given(images())
def test_values_stay_and_the_order_is_that_asked_for(array):
    rows, last = relayout.row_major(array), relayout.channels_last(array)
    assert rows.flags.c_contiguous and last.transpose(0, 2, 3, 1).flags.c_contiguous
    for copy in (rows, last, relayout.in_order_of(rows, array), relayout.in_order_of(last, array)):
        assert copy.dtype == array.dtype
        np.testing.assert_array_equal(copy, array)
    assert relayout.in_order_of(last, rows).transpose(0, 2, 3, 1).flags.c_contiguous


def test_what_lies_right_is_not_copied():
    rows = np.zeros((2, 3, 4, 5), np.float32)
    last = LAYOUTS["channels_last"](rows)
    assert relayout.row_major(rows) is rows and relayout.channels_last(last) is last
    assert relayout.in_order_of(last, last) is last
    read_only = rows[:]
    read_only.flags.writeable = False
    assert relayout.row_major(read_only).flags.writeable and relayout.channels_last(read_only).flags.writeable


@pytest.mark.parametrize("shape", [(64, 128, 3, 3), (2, 40, 60, 50)])
def test_threads_share_the_work(shape):
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    last = relayout.channels_last(array)
    np.testing.assert_array_equal(relayout.row_major(last), array)
    assert_same_on_one_thread(lambda: [relayout.channels_last(array), relayout.row_major(last)])


@settings(max_examples=30, deadline=None)
@example([0, 2], 1, 40)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=9), st.integers(0, 3), st.sampled_from([1, 40]))
def test_images_side_by_side(channels, batch, size):
    """Of 40 x 40 pixels the kernel sets them, of few NumPy."""
    rng = np.random.default_rng(0)
    images = [rng.standard_normal((batch, size, size, c), np.float32).transpose(0, 3, 1, 2) for c in channels]
    whole = relayout.side_by_side(images)
    np.testing.assert_array_equal(whole, np.concatenate(images, 1))
    assert whole.transpose(0, 2, 3, 1).flags.c_contiguous
    assert_same_on_one_thread(lambda: [relayout.side_by_side(images)])
