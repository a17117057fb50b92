"""The study tools look at a model on the device: they copy what they show."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import study
from minigrad.vision.models import LeNet5

F = mg.nn.functional


@pytest.fixture(scope="module")
def lesson(device):
    """A LeNet on the device, two pictures and their labels."""
    mg.manual_seed(0)
    return LeNet5().cuda(), mg.randn(2, 1, 28, 28, device="cuda"), mg.tensor([1, 2], device="cuda")


def test_a_trace_keeps_the_cpus_values(lesson):
    model, images, labels = lesson
    values = []
    for device in ("cuda", "cpu"):
        model.to(device)
        x, y = images.to(device), labels.to(device)
        with study.trace(keep_values=True) as trace:
            F.cross_entropy(model(x), y).backward()
        values.append([record.outputs[0].array for record in trace.forward])
        model.zero_grad()
    model.cuda()
    assert len(values[0]) == len(values[1]) > 10
    for mine, other in zip(*values, strict=True):
        assert isinstance(mine, np.ndarray)
        np.testing.assert_allclose(mine, other, atol=2e-2)  # convolutions round their factors to TF32


def test_pictures_and_checks_are_made(lesson, tmp_path):
    model, images, labels = lesson
    with study.trace(keep_values=True) as trace:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
    study.step(trace, tmp_path / "step.html")
    study.graph(F.cross_entropy(model(images), labels)).save(tmp_path / "graph.svg")
    assert (tmp_path / "step.html").stat().st_size > 10_000 and (tmp_path / "graph.svg").stat().st_size > 1000
    assert str(study.check(model, (images, labels)))
    for figure in (
        study.grad_cam(model, images[0]),
        study.saliency(model, images[0]),
        study.plot_filters(model),
        study.plot_feature_maps(model, images[0]),
        study.plot_activations(model, images),
        study.plot_gradient_flow(model),
    ):
        assert figure.axes
    assert "LeNet5" in str(mg.summary(model, (1, 28, 28)))
    assert "<" in images._repr_html_()
