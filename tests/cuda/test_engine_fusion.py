"""Operations in one pass on the device: the numbers are those of the operations one by one, in fewer launches."""

from __future__ import annotations

import numpy as np
from fusion_rules import check_rules
from programs import simulator_only

import minigrad as mg
from minigrad import fusion
from minigrad.autograd import function
from minigrad.kernels.cuda.simulator.trace import trace_launches

nn = mg.nn


def test_every_rule_is_its_operations_one_by_one():
    check_rules(device="cuda")


def network() -> nn.Module:
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    ).to("cuda")  # fmt: skip


def step() -> tuple[list[np.ndarray], list[str]]:
    """A training step and an evaluation: the results and gradients, and what was launched."""
    model, x = network(), mg.rand(2, 3, 16, 16).to("cuda").requires_grad_()
    with trace_launches() as events:
        y = model(x)
        y.square().sum().backward()
        with mg.no_grad():
            z = model.eval()(x)
        assert y.device == z.device == x.device
    found = [y.detach(), z, x.grad, *[parameter.grad for parameter in model.parameters()]]
    return [tensor.cpu().numpy() for tensor in found], [event.name for event in events if event.kind == "launch"]


@simulator_only
def test_a_network_gives_the_same_in_fewer_launches(monkeypatch):
    monkeypatch.setattr(fusion, "WORTH_WAITING", 0)
    monkeypatch.setattr(mg.backends.cuda.conv, "allow_tf32", False)
    mg.manual_seed(1)
    together, fewer = step()
    monkeypatch.setattr(function, "forwards", {})
    mg.manual_seed(1)
    apart, more = step()
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # ReLU behind batch norm in training, forward and backward; batch norm and ReLU in evaluation; ReLU before pooling.
    assert len(fewer) <= len(more) - 4


@simulator_only
def test_what_waits_is_on_the_device_that_it_says(monkeypatch):
    monkeypatch.setattr(fusion, "WORTH_WAITING", 0)
    seen = []

    class Looks(nn.Module):
        def forward(self, x):
            y = nn.functional.conv2d(x, mg.ones(2, 3, 1, 1, device="cuda"))
            seen.append((y.waits, y.device, y.is_cuda, y.shape))
            return y.relu()

    Looks()(mg.ones(1, 3, 4, 4, device="cuda"))
    assert seen == [(True, mg.device("cuda", 0), True, (1, 2, 4, 4))]
