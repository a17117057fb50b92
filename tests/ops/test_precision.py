"""Results keep their digits: halves are added up in float32, and large means are taken off before anything else."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import functional as F

HALVES = mg.from_numpy(np.full((2, 4096), 100, np.float16))
LABELS = mg.tensor([1, 2])
OF_HALVES = {
    "sum": lambda x: (x / 100).sum(1),
    "mean": lambda x: x.mean(),
    "mean over a dimension": lambda x: x.mean(1),
    "mean asked for in float16": lambda x: x.mean(1, dtype=mg.float16),
    "norm": lambda x: x.norm(dim=1),
    "norm 1": lambda x: (x / 10).norm(1, dim=1),
    "norm 3": lambda x: x.norm(3, dim=1),
    "normalize": lambda x: F.normalize(x),
    "var": lambda x: (x * mg.arange(4096).half().sub(2048).sign()).var(1),
    "std": lambda x: (x * mg.arange(4096).half().sub(2048).sign()).std(1),
    "prod": lambda x: mg.cat([x[:, :4] / 2, 1 / x[:, :4]], 1).prod(1),
    "cumsum": lambda x: (x / 100).cumsum(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "layer_norm": lambda x: F.layer_norm(x * mg.arange(4096).half().sub(2048).sign(), (4096,)),
    "group_norm": lambda x: F.group_norm(x * mg.arange(4096).half().sub(2048).sign(), 2),
    "local_response_norm": lambda x: F.local_response_norm(x[:, :, None] * 3, 5),
    "mse_loss": lambda x: F.mse_loss(x * 3, x),
    "l1_loss": lambda x: F.l1_loss(x * 5, x),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x * 5, x),
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS),
    "cross_entropy, smoothed": lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1),
    "cross_entropy of probabilities": lambda x: F.cross_entropy(x, x.softmax(1)),
    "nll_loss": lambda x: F.nll_loss(x.log_softmax(1), LABELS),
    "nll_loss of many": lambda x: F.nll_loss(-x.T, mg.zeros(4096, dtype=mg.int64)),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x / 128, x / 100),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(-x, x / 100),
    "gelu": lambda x: F.gelu(x * 3),
    "softplus": lambda x: F.softplus(x),
    "dot": lambda x: (x[0] / 100) @ (x[1] / 100),
    "einsum": lambda x: mg.einsum("ij,ij->i", x / 100, x / 100),
    "relu": lambda x: (x - 50).relu(),
    "erf": lambda x: (x / 100).erf(),
}


@pytest.mark.parametrize("name", OF_HALVES)
def test_halves_are_added_up_in_float32(name):
    x = HALVES.clone().requires_grad_()
    y = OF_HALVES[name](x)
    expected = OF_HALVES[name](HALVES.float())
    assert y.dtype == mg.float16
    np.testing.assert_allclose(y.detach().float().numpy(), expected.numpy(), rtol=2e-3)
    assert np.isfinite(y.detach().numpy()).all()
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == mg.float16 and np.isfinite(x.grad.numpy()).all()


def test_another_dtype_asked_for_is_kept():
    assert HALVES.mean(dtype=mg.float32).dtype == mg.float32
    assert HALVES.softmax(1, dtype=mg.float64).dtype == mg.float64
    assert F.mse_loss(HALVES, HALVES.float()).dtype == mg.float32
    assert HALVES.float().norm(dtype=mg.float16).dtype == mg.float16


@pytest.mark.parametrize("inplace", [False, True])
def test_activations_of_halves(inplace):
    torch = pytest.importorskip("torch")
    values = np.linspace(-8, 8, 101).astype(np.float16)
    for name in ("relu", "relu6", "leaky_relu", "elu", "silu", "hardsigmoid", "hardswish"):
        ours = getattr(F, name)(mg.from_numpy(values.copy()), inplace=inplace)
        theirs = getattr(torch.nn.functional, name)(torch.from_numpy(values.copy()), inplace=inplace)
        assert ours.dtype == mg.float16
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-3, err_msg=name)


OFFSETS = [0.0, 1e4, 8e6]


def far_from_zero(offset: float, *shape: int) -> np.ndarray:
    """Small whole numbers, moved far away: float32 holds them exactly."""
    return (offset + np.random.default_rng(0).integers(0, 9, shape)).astype(np.float32)


LARGE_MEANS = {
    "var": lambda x, lib: x.var(1),
    "var over all": lambda x, lib: x.var(),
    "std": lambda x, lib: x.std(1),
    "var of a batch": lambda x, lib: x.var((0, 2, 3)),
    "layer_norm": lambda x, lib: lib.nn.functional.layer_norm(x, x.shape[1:]),
    "layer_norm over pixels": lambda x, lib: lib.nn.functional.layer_norm(x, x.shape[2:]),
    "group_norm": lambda x, lib: lib.nn.functional.group_norm(x, 2),
    "batch_norm": lambda x, lib: lib.nn.functional.batch_norm(x, None, None, training=True),
    "batch_norm, evaluated": lambda x, lib: lib.nn.functional.batch_norm(
        x, x.detach().double().mean((0, 2, 3)).to(x.dtype), x.detach().double().var((0, 2, 3)).to(x.dtype)
    ),
    "softmax": lambda x, lib: lib.softmax(x, 1),
    "log_softmax": lambda x, lib: lib.log_softmax(x, 1),
    "logsumexp less the largest": lambda x, lib: lib.logsumexp(x, 1),
    "cross_entropy": lambda x, lib: lib.nn.functional.cross_entropy(x, lib.zeros_like(x[:, 0]).long()),
    "cross_entropy, smoothed": lambda x, lib: lib.nn.functional.cross_entropy(
        x, lib.zeros_like(x[:, 0]).long(), label_smoothing=0.2
    ),
}


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", LARGE_MEANS)
@pytest.mark.parametrize("shape", [(3, 4, 2, 2), (8, 16, 12, 12)])
def test_a_large_mean_costs_no_digits(name, offset, kernels, shape):
    """Values and gradients in float32 are those of float64."""
    values = far_from_zero(offset, *shape)
    with mg.use_kernels(kernels):
        for layout in ("contiguous_format", "channels_last"):
            x = mg.from_numpy(values).contiguous(memory_format=layout).requires_grad_()
            wide = mg.from_numpy(values.astype(np.float64)).requires_grad_()
            y, expected = LARGE_MEANS[name](x, mg), LARGE_MEANS[name](wide, mg)
            weights = np.random.default_rng(1).standard_normal(y.shape)
            # A batch's mean is a float32, which near 8 million has half units: a tenth of this deviation.
            coarse = name.startswith("batch_norm") and offset > 1e6
            tolerance = {"rtol": 2e-4, "atol": 0.2 if coarse else 2e-4}
            np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), **tolerance)
            (y * mg.from_numpy(weights).float()).sum().backward()
            (expected * mg.from_numpy(weights)).sum().backward()
            np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), **tolerance)


def test_the_case_that_was_reported():
    x = mg.tensor([8e6, 8e6 + 1, 8e6 + 2, 8e6 + 3])
    expected = np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25)
    np.testing.assert_allclose(F.layer_norm(x, (4,)).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(F.group_norm(x.reshape(1, 4), 1).numpy()[0], expected, rtol=1e-5)
    np.testing.assert_allclose(
        F.batch_norm(x.reshape(4, 1), None, None, training=True).numpy()[:, 0], expected, rtol=1e-5
    )
