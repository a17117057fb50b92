"""Images on the device in both memory formats, and what runs in one pass there: as on the CPU, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F


def batch_norm(x, w, b):
    return F.batch_norm(x, None, None, w, b, training=True)


LAYERS = {
    "max_pool2d": lambda x, w, b: F.max_pool2d(x, 3, 2, 1),
    "max_pool2d 2x2": lambda x, w, b: F.max_pool2d(x, 2),
    "avg_pool2d": lambda x, w, b: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive_avg_pool2d global": lambda x, w, b: F.adaptive_avg_pool2d(x, 1),
    "adaptive_avg_pool2d": lambda x, w, b: F.adaptive_avg_pool2d(x, (3, 5)),
    "adaptive_max_pool2d global": lambda x, w, b: F.adaptive_max_pool2d(x, 1),
    "adaptive_max_pool2d": lambda x, w, b: F.adaptive_max_pool2d(x, (3, 5)),
    "local_response_norm": lambda x, w, b: F.local_response_norm(x, 3, 0.1),
    "batch_norm": batch_norm,
    "batch_norm, relu": lambda x, w, b: F.relu(batch_norm(x, w, b)),
    "batch_norm, relu in place": lambda x, w, b: F.relu(batch_norm(x, w, b), inplace=True),
    "batch_norm, add, relu": lambda x, w, b: F.relu(batch_norm(x * 2, w, b) + x),
    "add, relu in place": lambda x, w, b: F.relu(x * 2 + x, inplace=True),
}


def run(layer, device: str, memory_format: str, dtype) -> list:
    random = np.random.default_rng(0)
    x = mg.tensor(random.standard_normal((3, 4, 8, 6)), dtype=dtype, device=device)
    x = x.contiguous(memory_format=memory_format).requires_grad_()
    w, b = (mg.tensor(random.uniform(0.5, 1, 4), dtype=dtype, device=device).requires_grad_() for _ in range(2))
    y = layer(x, w, b)
    weights = mg.tensor(random.standard_normal(y.shape), dtype=dtype, device=device)
    (y * weights).sum().backward()
    return [y.detach(), *[tensor.grad for tensor in (x, w, b)]]


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("memory_format", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_device_equals_cpu(layer, memory_format, dtype):
    tolerance = 1e-4 if dtype == mg.float32 else 1e-11
    results = [run(layer, device, getattr(mg, memory_format), dtype) for device in ("cpu", "cuda")]
    for expected, got in zip(*results, strict=True):
        assert (expected is None) == (got is None)
        if expected is not None:
            assert got.device.type == "cuda"
            np.testing.assert_allclose(got.cpu().numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("memory_format", ["contiguous_format", "channels_last"])
def test_running_statistics_and_evaluation_equal_the_cpus(memory_format):
    x = mg.tensor(np.random.default_rng(1).standard_normal((4, 4, 5, 5)).astype(np.float32))
    results = []
    for device in ("cpu", "cuda"):
        norm = mg.nn.BatchNorm2d(4).to(device)
        images = x.to(device).contiguous(memory_format=getattr(mg, memory_format))
        norm(images), norm(images)
        evaluated = norm.eval()(images)
        results.append([t.detach().cpu().numpy() for t in (norm.running_mean, norm.running_var, evaluated)])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
