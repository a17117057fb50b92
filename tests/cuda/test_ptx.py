"""Every function of ptx.cuh does what it says: on the simulator its twin, on a GPU the instruction itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minigrad.kernels.cuda import capability, launch, simulated
from minigrad.kernels.cuda.simulator import simulate

FILE = str(Path(__file__).parent / "ptx_selftest.cu")
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True, params=["fast", "check", "ubsan"])
def mode(request, device):
    if capability() < (8, 0):
        pytest.skip("these instructions need compute capability 8.0")
    if request.param != "fast" and not simulated():
        pytest.skip("a mode of the simulator")
    with simulate(mode=request.param):
        yield


def tf32(x, half):
    """float32 with 10 bits of mantissa: rounded, ties away from zero (half of the last unit is added), or cut."""
    bits = x.view(np.uint32)
    return (np.where(np.isfinite(x), bits + np.uint32(half), bits) & np.uint32(0xFFFFE000)).view(np.float32)


def multiplied(xp, a, b, rounded):
    c = xp.empty((16, 8), np.float32)
    launch(FILE, "try_mma", (1,), (32,), (xp.asarray(a), xp.asarray(b), c, np.int32(rounded)))
    return c.get()


def test_mma_multiplies_small_integers_exactly(xp):
    a, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((16, 8), (8, 8)))
    np.testing.assert_array_equal(multiplied(xp, a, b, False), a @ b)
    for i, j in ((0, 0), (5, 2), (8, 7), (15, 4)):  # each element is where it is said to be
        one = np.zeros((16, 8), np.float32)
        one[i, j] = 1
        np.testing.assert_array_equal(multiplied(xp, one, b, False), one @ b)


def test_mma_cuts_what_is_not_rounded(xp):
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((16, 8), (8, 8)))
    for rounded, half in ((True, 0x1000), (False, 0)):
        expected = tf32(a, half).astype(np.float64) @ tf32(b, half).astype(np.float64)
        np.testing.assert_allclose(multiplied(xp, a, b, rounded), expected, rtol=1e-5, atol=3e-6)


def test_load_matrices_gives_each_lane_its_numbers(xp):
    x = np.arange(128, dtype=np.float32).reshape(16, 8)
    out = xp.empty((4, 8, 4), np.float32)
    launch(FILE, "try_load_matrices", (1,), (32,), (xp.asarray(x), out))
    np.testing.assert_array_equal(out.get(), [x[:8, :4], x[8:, :4], x[:8, 4:], x[8:, 4:]])


def test_to_tf32_rounds_ties_away_from_zero(xp):
    x = np.concatenate([rng.standard_normal(1000) * 10.0 ** rng.integers(-30, 30, 1000), [0, -0.0, np.inf, -np.inf]])
    x = np.concatenate([x.astype(np.float32), np.array([0x3F801000, 0xBF801000, 0x3F800FFF], np.uint32).view("f4")])
    bits = xp.empty(x.size, np.uint32)
    launch(FILE, "try_to_tf32", (1,), (64,), (xp.asarray(x), bits, np.int32(x.size)))
    np.testing.assert_array_equal(bits.get(), tf32(x, 0x1000).view(np.uint32))


@pytest.mark.parametrize("n", [128, 40, 0])
def test_cp_async_copies_or_leaves_zeros(xp, n):
    x = np.arange(1, 385, dtype=np.float32).reshape(3, 128)
    y = xp.empty((3, 160), np.float32)
    launch(FILE, "try_cp_async", (1,), (32,), (xp.asarray(x), y, np.int32(n)))
    wide = np.where(np.arange(128) // 4 * 4 < n, x, 0)
    narrow = np.where(np.arange(32) < n, x[:, np.arange(32) * 5 % 128], 0)
    np.testing.assert_array_equal(y.get(), np.concatenate([wide[:, ::-1], narrow[:, ::-1]], 1))


def test_warp_intrinsics_and_bits(xp):
    x = rng.integers(1, 2**31, 32, dtype=np.uint32)
    columns = xp.empty((23, 32), np.uint32)
    launch(FILE, "try_warp", (1,), (32,), (xp.asarray(x), columns))
    i, wide, real = np.arange(32), x.astype(np.uint64), (x % 4096).astype(np.float32) / 512 - 3
    eight = i // 8 * 8
    a, b = np.float32(3.3), np.float32(0.1)
    expected = [
        x[np.full(32, 5)],
        x[eight + 3],
        x[np.full(32, 5)],
        x[i ^ 9],
        x[i ^ 3],
        x[np.where(i + 7 < 32, i + 7, i)],
        x[np.where(i % 8 + 3 < 8, i + 3, i)],
        x[np.where(i >= 7, i - 7, i)],
        x[np.where(i % 8 >= 3, i - 3, i)],
        np.full(32, sum(1 << int(k) for k in i[x % 3 == 0])),
        np.zeros(32),
        np.ones(32),
        [int(v).bit_count() for v in x],
        [32 - int(v).bit_length() for v in x],
        [(int(v) & -int(v)).bit_length() for v in x],
        [int(f"{v:032b}"[::-1], 2) for v in x],
        wide * 0xD2511F53 >> 32,
        wide * 0x51F53 >> 32,
        np.fmin(real, np.float32(1)).view(np.uint32),
        np.fmax(real, np.float32(1)).view(np.uint32),
        (real.astype(np.float64) * a + b).astype(np.float32).view(np.uint32),  # rounded once
        (real * a + b).view(np.uint32),
        np.rint(real).astype(np.int32).view(np.uint32),
    ]
    np.testing.assert_array_equal(columns.get(), np.array([np.asarray(row).astype(np.uint32) for row in expected]))
