"""Whole networks with PyTorch's weights: loss, logits, gradients and a step of SGD as PyTorch has them in float64.

Small ones on the simulator; on a GPU also those that the benchmarks measure.
"""

from __future__ import annotations

import copy
import os
import sys
from importlib import import_module

import numpy as np
import pytest

import minigrad as mg

on_a_gpu = pytest.mark.skipif(os.environ.get("MINIGRAD_CUDA_SIMULATOR") != "0", reason="slow on the simulator")
LENET = pytest.param("lenet5", 1, 28, id="lenet5")
LARGER = [
    pytest.param(name, 3, size, id=name, marks=on_a_gpu)
    for name, size in (("vgg11_bn_small", 32), ("resnet18_small", 32), ("resnet50", 64))
]
BATCH = 8


def network(library: str, name: str, channels: int, monkeypatch):
    """A network of benchmarks/models.py, which is one program for both libraries, in the library of this name."""
    monkeypatch.setenv("BENCHMARK_LIBRARY", library)
    for module in ("benchmarks.backend", "benchmarks.models"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    models = import_module("benchmarks.models")
    for module in ("benchmarks.backend", "benchmarks.models"):
        monkeypatch.delitem(sys.modules, module)
    return getattr(models, name)(channels)


def both(name: str, channels: int, monkeypatch):
    """minigrad's network on the device in float32, and PyTorch's on the CPU in float64, with the same weights."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = network("torch", name, channels, monkeypatch).double()
    ours = network("minigrad", name, channels, monkeypatch).cuda()
    ours.load_state_dict({key: mg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    return ours, theirs


def step(library, model, images, labels) -> dict[str, np.ndarray]:
    """Of one training step: logits, and all gradients in a row; then all weights and statistics."""
    optimizer = library.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    logits = model(images)
    library.nn.functional.cross_entropy(logits, labels).backward()
    gradients = [p.grad.cpu().numpy().ravel() for p in model.parameters()]
    optimizer.step()
    state = [value.detach().cpu().numpy().ravel() for value in model.state_dict().values()]
    return {
        "logits": logits.detach().cpu().numpy(),
        "gradients": np.concatenate(gradients),
        "state": np.concatenate(state),
    }


def distances(name: str, channels: int, size: int, monkeypatch) -> tuple[dict[str, float], dict[str, float]]:
    """Of each of `step`: |mine - theirs| / |theirs|, and the same of PyTorch in float32."""
    import torch

    ours, theirs = both(name, channels, monkeypatch)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, channels, size, size)).astype(np.float32)
    labels = rng.integers(0, 10, BATCH)
    single = copy.deepcopy(theirs).float()
    mine = step(mg, ours, mg.from_numpy(images).cuda(), mg.from_numpy(labels).cuda())
    rounded = step(torch, single, torch.from_numpy(images), torch.from_numpy(labels))
    exact = step(torch, theirs, torch.from_numpy(images).double(), torch.from_numpy(labels))

    def distance(found):
        return {key: np.linalg.norm(found[key] - want) / np.linalg.norm(want) for key, want in exact.items()}

    return distance(mine), distance(rounded)


@pytest.mark.parametrize(("name", "channels", "size"), [LENET, *LARGER])
def test_a_step_is_pytorchs(name, channels, size, monkeypatch):
    pytest.importorskip("torch")
    mg.backends.cuda.conv.allow_tf32 = False
    try:
        found, of_pytorch = distances(name, channels, size, monkeypatch)
    finally:
        mg.backends.cuda.conv.allow_tf32 = True
    # As float32 rounds. Where that turns a ReLU over, a deep network's gradients jump: some 1e-2 in ResNet-50.
    jump = 0.0 if name == "lenet5" else 0.05
    for key, slack in {"logits": 0.0, "gradients": jump, "state": jump}.items():
        assert found[key] < 1e-6 + slack + 10 * of_pytorch[key], (key, found, of_pytorch)


def test_a_step_with_tf32_is_near_pytorchs(monkeypatch):
    pytest.importorskip("torch")
    found, _ = distances("lenet5", 1, 28, monkeypatch)
    assert found["logits"] < 2e-3 and found["gradients"] < 1e-2 and found["state"] < 1e-3, found


@pytest.mark.parametrize(("name", "channels", "size"), [LENET, *LARGER])
def test_inference_is_pytorchs(name, channels, size, monkeypatch):
    torch = pytest.importorskip("torch")
    ours, theirs = both(name, channels, monkeypatch)
    images = np.random.default_rng(1).standard_normal((BATCH, channels, size, size)).astype(np.float32)
    mg.backends.cuda.conv.allow_tf32 = False
    try:
        with mg.inference_mode():
            mine = ours.eval()(mg.from_numpy(images).cuda()).cpu().numpy()
    finally:
        mg.backends.cuda.conv.allow_tf32 = True
    with torch.inference_mode():
        want = theirs.eval()(torch.from_numpy(images).double()).numpy()
    assert np.linalg.norm(mine - want) < 1e-4 * np.linalg.norm(want)
