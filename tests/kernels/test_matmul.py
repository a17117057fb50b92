"""Matrix products: the kernel is NumPy's product, whatever the shapes and the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels.matmul import cpu, reference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3, 5), (5, 2)),
        ((300, 200), (200, 300)),
        ((4, 3, 5), (5,)),
        ((1, 5), (6, 5, 2)),
        ((0, 5), (5, 2)),
        ((2, 0), (0, 3)),
    ],
)
def test_product_equals_einsum_in_double(first, second, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(first).astype(dtype), rng.standard_normal(second).astype(dtype)
    columns = "k" if len(second) == 1 else "...kj"
    want = np.einsum(f"...ik,{columns}->...i{columns[4:]}", a.astype(np.float64), b.astype(np.float64))
    for module in (cpu, reference):
        got = module.matmul(a, b)
        assert got.dtype == dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=1000 * np.finfo(dtype).eps)
