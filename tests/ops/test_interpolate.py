"""Images of another size are PyTorch's, in every mode; and the divergence of distributions."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg

F = mg.nn.functional
rng = np.random.default_rng(0)

SHAPES = {1: (2, 3, 7), 2: (2, 3, 5, 7), 3: (2, 2, 3, 4, 5)}
SIZES = {1: [4, 13, 1], 2: [(5, 7), (9, 3), 1, (11, 14)], 3: [(3, 8, 2), 6]}
FACTORS = {1: [2, 0.6], 2: [2, (1.7, 0.5), 1.2], 3: [1.5, (1, 2, 3)]}
CASES = [
    (mode, spatial, align, options)
    for spatial, modes in {
        1: ["nearest", "nearest-exact", "area", "linear"],
        2: ["nearest", "nearest-exact", "area", "bilinear", "bicubic"],
        3: ["nearest", "nearest-exact", "area", "trilinear"],
    }.items()
    for mode in modes
    for align in ([None, False, True] if mode.endswith(("linear", "cubic")) else [None])
    for options in [
        *({"size": size} for size in SIZES[spatial]),
        *({"scale_factor": factor} for factor in FACTORS[spatial]),
        {"scale_factor": FACTORS[spatial][-1], "recompute_scale_factor": True},
    ]
]


@pytest.mark.parametrize("mode, spatial, align, options", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_interpolate_is_pytorchs(mode, spatial, align, options, dtype):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal(SHAPES[spatial]).astype(dtype)
    theirs = torch.tensor(x, requires_grad=True)
    ours = mg.tensor(x, requires_grad=True)
    expected = torch.nn.functional.interpolate(theirs, mode=mode, align_corners=align, **options)
    result = F.interpolate(ours, mode=mode, align_corners=align, **options)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(dy))
    result.backward(mg.tensor(dy))
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(result.detach().numpy(), expected.detach().numpy(), **tolerance)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)


def test_pictures_of_integers_and_the_same_size():
    x = mg.arange(8, dtype=mg.uint8).reshape(1, 1, 2, 4)
    assert F.interpolate(x, scale_factor=0.5).tolist() == [[[[0, 2]]]]
    y = mg.rand(1, 1, 2, 4)
    same = F.interpolate(y, (2, 4), mode="bilinear")
    assert mg.equal(same, y) and same.data_ptr() != y.data_ptr()


@pytest.mark.parametrize("call, error, message", [
    (lambda x: F.interpolate(x, 2, mode="cubic"), ValueError, "mode must be one of"),
    (lambda x: F.interpolate(x, 2, mode="linear"), ValueError, "for a 3-D input .* got a 4-D one"),
    (lambda x: F.interpolate(x), ValueError, "either size or scale_factor should be defined"),
    (lambda x: F.interpolate(x, 2, 2), ValueError, "only one of size or scale_factor"),
    (lambda x: F.interpolate(x, (2, 2, 2)), ValueError, "size must be a number, or one for each of 2 axes"),
    (lambda x: F.interpolate(x, 2, align_corners=True), ValueError, "align_corners option can only be set"),
    (lambda x: F.interpolate(x, scale_factor=0.1), RuntimeError, "sizes should be greater than 0"),
    (lambda x: F.interpolate(x, 2, mode="bilinear", antialias=True), NotImplementedError, "antialias"),
    (lambda x: F.interpolate(x, 2, recompute_scale_factor=True), ValueError, "not meaningful with an explicit size"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(call, error, message):
    with pytest.raises(error, match=f"interpolate: .*{message}"):
        call(mg.rand(1, 1, 4, 4))


@pytest.mark.parametrize("reduction", ["batchmean", "sum", "none", "mean"])
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.filterwarnings("ignore:.*reduction")
def test_divergence_is_pytorchs(reduction, log_target):
    torch = pytest.importorskip("torch")
    logits, other = rng.standard_normal((2, 3, 4))
    x = mg.tensor(logits, requires_grad=True)
    target = np.exp(other) / np.exp(other).sum(1, keepdims=True)
    target[0, 0] = 0.0 if not log_target else 0.1
    target = np.log(target) if log_target else target
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.KLDivLoss(reduction=reduction, log_target=log_target)(
        torch.log_softmax(theirs, 1), torch.tensor(target)
    )
    result = mg.nn.KLDivLoss(reduction=reduction, log_target=log_target)(mg.log_softmax(x, 1), mg.tensor(target))
    np.testing.assert_allclose(result.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    expected.sum().backward()
    result.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)
