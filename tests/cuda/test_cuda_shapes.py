"""How launches are laid out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.kernels.cuda.shapes import check_image, integers, real, tiles, vector


@given(st.integers(1, 5000), st.integers(1, 1 << 20))
def test_tiles_cover_rows_and_columns_within_the_limits(columns, rows):
    (across, down), (width, height) = tiles(columns, rows)
    assert width * height == 256 and down <= 65535
    assert (across - 1) * width < columns <= across * width
    assert down * height >= rows or down == 65535


def test_packs_need_their_length_and_their_place(xp):
    x = xp.zeros(32, np.float32)
    assert [vector(8, x), vector(6, x), vector(8, x[4:]), vector(8, x[1:]), vector(8, x, x[1:])] == [4, 1, 4, 1, 1]
    assert vector(6, xp.zeros(6)) == 2


def test_what_kernels_do_not_compute_is_refused(xp):
    with pytest.raises(RuntimeError, match="relu: the GPU's kernels compute in float32 or float64, got float16"):
        real("relu", xp.zeros(1, np.float16))
    with pytest.raises(RuntimeError, match="max_pool2d: an image of 2048 x 1024 x 1024 has 2"):
        check_image("max_pool2d", 2048, 1024, 1024)
    with pytest.raises(OverflowError):
        integers(2**31)
