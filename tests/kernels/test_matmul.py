"""Matrix products: the kernel is NumPy's product, whatever the shapes and the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import assert_same_on_one_thread

from minigrad.kernels.matmul import cpu, reference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3, 5), (5, 2)),
        ((300, 200), (200, 300)),
        ((4, 3, 5), (5,)),
        ((1, 5), (6, 5, 2)),
        ((9, 8, 5), (9, 5, 7)),
        ((0, 5), (5, 2)),
        ((2, 0), (0, 3)),
        ((1, 700), (700, 601)),
        ((5, 613), (613, 705)),
        ((16, 613), (613, 705)),
        ((45, 1613), (1613, 305)),
        ((8, 400_000), (400_000, 1)),
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_product_equals_einsum_in_double(first, second, transposed, shared, dtype, monkeypatch):
    if shared:
        monkeypatch.setattr(cpu, "WORTH_SHARING", 0)
        monkeypatch.setattr(cpu, "UNPACKED", 30)  # a row or two in a piece
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(first).astype(dtype), rng.standard_normal(second).astype(dtype)
    if transposed and len(second) == 2:
        b = np.asfortranarray(b)
    columns = "k" if len(second) == 1 else "...kj"
    want = np.einsum(f"...ik,{columns}->...i{columns[4:]}", a.astype(np.float64), b.astype(np.float64))
    for module in (cpu, reference):
        got = module.matmul(a, b)
        assert got.dtype == dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=(1000 + first[-1]) * np.finfo(dtype).eps)


def test_few_rows_do_not_depend_on_the_thread_count():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 700)), rng.standard_normal((700, 700))
    assert_same_on_one_thread(lambda: [cpu.matmul(a, b), cpu.matmul(a, b.T)])


def test_nan_of_the_rows_beyond_the_blocks_shows():
    b = np.zeros((701, 601), np.float32)
    b[700, 600] = np.nan
    y = cpu.matmul(np.ones((2, 701), np.float32), b)
    assert np.isnan(y[:, 600]).all() and (y[:, :600] == 0).all()


def test_overflow_in_a_worker_is_silent(monkeypatch):
    monkeypatch.setattr(cpu, "WORTH_SHARING", 0)
    large = np.full((64, 64), 1e30, np.float32)
    with np.errstate(all="ignore"):
        assert np.isinf(cpu.matmul(large, large)).all()


@pytest.mark.parametrize(
    ("first", "second"), [((500, 700), (700, 300)), ((300, 700), (700, 530)), ((2, 90, 7), (7, 301))]
)
def test_pieces_do_not_depend_on_the_thread_count(first, second):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(first, np.float32), rng.standard_normal(second, np.float32)
    alone = cpu._shared(a, b, 1)
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(cpu._shared(a, b, threads), alone)
