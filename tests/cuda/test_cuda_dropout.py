"""Dropout on the GPU: the reference's mask bit for bit, in every layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minigrad.kernels.cuda.simulator import simulate
from minigrad.kernels.dropout import cuda, reference
from minigrad.kernels.geometry import is_channels_last

rng = np.random.default_rng(0)


@settings(max_examples=40, deadline=None)
@given(
    shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    dtype=st.sampled_from([np.float32, np.float64]),
    p=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    place=st.sampled_from([(0, 0), (2**63, 2**64 - 2), (5, 2**32)]),
    channels_last=st.booleans(),
)
def test_dropout_equals_the_reference(xp, shape, dtype, p, place, channels_last):
    x = rng.standard_normal(shape).astype(dtype)
    on_device = xp.asarray(x)
    if channels_last and x.ndim == 4:
        on_device = xp.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "MOST_IMAGES", 2)
        y = cuda.forward(on_device, p, *place)
    np.testing.assert_array_equal(y.get(), reference.forward(x, p, *place), strict=True)
    assert x.ndim != 4 or is_channels_last(y) == is_channels_last(on_device)


def test_a_dropped_nan_shows_and_slices_that_begin_anywhere_work(xp):
    x = np.full(2050, np.nan, np.float32)
    assert np.isnan(cuda.forward(xp.asarray(x)[1:], 0.5, 1, 0).get()).all()
    x = np.arange(2050, dtype=np.float32)
    np.testing.assert_array_equal(cuda.forward(xp.asarray(x)[1:], 0.5, 1, 0).get(), reference.forward(x[1:], 0.5, 1, 0))


def test_the_stream_may_lie_in_device_memory(xp):
    x = rng.standard_normal(100).astype(np.float32)
    state = xp.asarray(np.array([7, 40], np.uint64))
    np.testing.assert_array_equal(
        cuda.forward(xp.asarray(x), 0.4, state, 2).get(), reference.forward(x, 0.4, 7, 42), strict=True
    )


@pytest.mark.parametrize("mode", ["check", "ubsan"])
@pytest.mark.parametrize("shape", [(1031,), (2, 5, 3, 3)])
def test_memory_is_kept_to_and_no_threads_race(xp, mode, shape):
    x = rng.standard_normal(shape).astype(np.float32)
    on_device = xp.asarray(x)
    if x.ndim == 4:
        on_device = xp.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    with simulate(mode=mode):
        np.testing.assert_array_equal(cuda.forward(on_device, 0.3, 1, 2).get(), reference.forward(x, 0.3, 1, 2))
