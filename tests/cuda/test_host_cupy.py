"""Launchers, operations and a training step on CuPy's own arrays; and CuPy has every name that the simulator offers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from host_cupy import host_cupy
from test_alignment import CALLS, run

import minigrad as mg
from minigrad.kernels.cuda.simulator import ndarray as simulated
from minigrad.kernels.cuda.simulator import simulate

nn, F = mg.nn, mg.nn.functional


def test_cupy_has_every_name_that_the_simulator_offers():
    cupy, missing = pytest.importorskip("cupy", reason="pip install cupy-cuda13x"), []
    for name, keywords in simulated.cupy_names().items():
        found = cupy
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            missing.append(name)
            continue
        try:
            parameters = inspect.signature(found).parameters
        except (ValueError, TypeError):
            continue  # a ufunc, or compiled code
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            missing += [f"{name}({keyword}=)" for keyword in keywords if keyword not in parameters]
    assert not missing


@pytest.fixture(scope="module")
def cupy():
    with host_cupy() as xp:
        yield xp


@pytest.mark.parametrize("call", [pytest.param(call, id=f"{call[0]}-{i}") for i, call in enumerate(CALLS["float32"])])
def test_launchers_take_cupys_arrays(cupy, call):
    with simulate(mode="check"):
        found, count = run(call, None, cupy.asarray)
    assert count > 0 and all(np.isfinite(array).all() for array in found if array.dtype.kind == "f")


def network() -> nn.Module:
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(8 * 9, 16), nn.Tanh(), nn.Linear(16, 10),
    )  # fmt: skip


@pytest.mark.parametrize("make", [
    lambda p: mg.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3), lambda p: mg.optim.AdamW(p, 1e-2)
], ids=["SGD", "AdamW"])  # fmt: skip
def test_a_training_step_is_the_cpus(cupy, make):
    losses = {}
    for device in ("cpu", "cuda"):
        model = network().to(device)
        optimizer = make(model.parameters())
        mg.manual_seed(1)
        images, labels = mg.rand(6, 1, 16, 16).to(device), mg.randint(0, 10, (6,)).to(device)
        losses[device] = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses[device].append(loss.item())
        assert type(loss.array) is (np.ndarray if device == "cpu" else cupy.ndarray)
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=2e-3)
