"""`study.check` finds every mistake that is planted, says nothing about healthy models, and changes nothing."""

import math
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, study
from minigrad.nn import functional as F
from minigrad.vision import models


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def images(count=8, channels=1, side=28, classes=10):
    return mg.randn(count, channels, side, side), mg.randint(0, classes, (count,))


def mlp(activation, depth=3, width=32, classes=10):
    layers = [(f"{kind}{i}", layer) for i in range(depth) for kind, layer in
              (("linear", nn.Linear(width, width)), ("act", activation()))]  # fmt: skip
    return nn.Sequential(OrderedDict([*layers, ("head", nn.Linear(width, classes))]))


def rows(count=32, width=32, classes=10):
    return mg.randn(count, width), mg.randint(0, classes, (count,))


def found(report):
    return {(finding.severity, finding.kind, finding.place) for finding in report}


def kinds(report):
    return [finding.kind for finding in report]


SMALL = {"lenet5": (1, 28), "tutorial_cnn": (1, 28), "resnet20": (3, 32), "resnet56": (3, 32), "resnet110": (3, 32)}
OTHERS = {name: (3, 64) for name in ("resnet18", "resnet18_v2", "resnet50", "googlenet", "efficientnet_b0")}


@pytest.mark.parametrize("name", [*SMALL, *OTHERS])
def test_quiet_on_fresh_models(name):
    channels, side = {**SMALL, **OTHERS}[name]
    model = models.get_model(name, num_classes=10)
    report = study.check(model, images(channels=channels, side=side), optimizer=mg.optim.SGD(model.parameters(), 0.1))
    assert not report
    assert len(report) == 0 and str(report) == repr(report) == "nothing found"


@pytest.mark.parametrize(
    ("model", "batch", "loss"),
    [
        (lambda: models.lenet5(classic=True), images, None),
        (lambda: models.resnet18(num_classes=10, zero_init_residual=True), lambda: images(4, 3, 32), None),
        (lambda: mlp(nn.Sigmoid, depth=2), rows, None),
        (lambda: mlp(nn.GELU), lambda: (rows()[0], mg.rand(32, 10)), F.mse_loss),
        (lambda: mlp(nn.ReLU, classes=3), lambda: (rows()[0], mg.randn(32, 3)), None),
        (lambda: nn.Sequential(mlp(nn.ReLU), nn.LogSoftmax(1)), rows, F.nll_loss),
        (lambda: mlp(nn.ReLU), rows, nn.CrossEntropyLoss(label_smoothing=0.1)),
        (lambda: mlp(nn.ReLU, classes=1), lambda: (rows()[0], mg.rand(32, 1).round()),
         F.binary_cross_entropy_with_logits),
        (lambda: nn.Sequential(mlp(nn.Tanh, classes=1), nn.Sigmoid()), lambda: (rows()[0], mg.rand(32, 1).round()),
         F.binary_cross_entropy),
        (lambda: nn.Conv2d(1, 4, 3, padding=1), lambda: (mg.randn(2, 1, 6, 6), mg.randint(0, 4, (2, 6, 6))), None),
    ],
)  # fmt: skip
def test_quiet_on_other_tasks(model, batch, loss):
    assert not study.check(model(), batch(), loss)


def test_quiet_while_training_goes_well():
    model, batch = models.lenet5(), images(32)
    optimizer = mg.optim.Adam(model.parameters(), 1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        assert not study.check(model, batch, optimizer=optimizer)
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()


class Shared(nn.Module):
    """One ReLU called in two places, functional calls, a tuple of inputs."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(32, 32), nn.Linear(32, 10), nn.ReLU(inplace=True)

    def forward(self, x, y):
        return self.second(self.relu(F.relu(self.first(x)) + self.relu(self.first(y))))


def test_several_inputs():
    assert not study.check(Shared(), ((mg.randn(8, 32), mg.randn(8, 32)), mg.randint(0, 10, (8,))))


# The mistakes


@pytest.mark.parametrize("inplace", [False, True])
def test_dead_relu(inplace):
    model = models.lenet5()
    model.classifier[2] = nn.ReLU(inplace=inplace)
    model.classifier[1].bias.data.fill_(-100)
    report = study.check(model, images())
    assert ("warning", "dead ReLU", "classifier.2") in found(report)
    assert "120 of 120 units" in next(finding.seen for finding in report if finding.kind == "dead ReLU")


def test_dead_functional_relu_and_partly_dead_layer():
    model = models.tutorial_cnn()
    model.fc1.bias.data[:50] = -100  # of 56
    assert found(study.check(model, images())) == {("warning", "dead ReLU", "model")}


def test_a_few_dead_units():
    model = models.lenet5()
    model.classifier[1].bias.data[:5] = -100
    model.features[0].bias.data[2] = -100
    report = study.check(model, images())
    assert found(report) == {("warning", "dead ReLU", "classifier.2 and 1 more")}


def test_vanishing_gradients():
    report = study.check(mlp(nn.Sigmoid, depth=8), rows())
    assert ("warning", "vanishing", "linear0.weight and 3 more") in found(report)
    assert set(kinds(report)) == {"vanishing"}


def test_exploding_gradients():
    model = mlp(nn.ReLU, depth=8)
    for parameter in model.parameters():
        parameter.data = parameter.data * 10
    report = study.check(model, rows())
    assert set(kinds(report)) == {"exploding", "loss", "scale"}


def test_parameters_without_gradient():
    model = mlp(nn.ReLU)
    model.extra = nn.Linear(3, 3)
    model.forward = lambda x: model.head(model.act0(model.linear0(x)))
    places = "linear1.weight and 5 more"
    assert found(study.check(model, rows())) == {("warning", "no gradient", places)}


def test_cut_graph_and_frozen_model():
    model = mlp(nn.ReLU)
    forward = model.forward
    model.forward = lambda x: forward(x).detach()
    assert found(study.check(model, rows())) == {("error", "no gradient", "loss")}
    frozen = mlp(nn.ReLU).requires_grad_(False)
    assert found(study.check(frozen, rows())) == {("error", "no gradient", "model")}
    frozen.head.requires_grad_(True)  # fine-tuning the head is no mistake
    assert not study.check(frozen, rows())


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh])
def test_saturated(activation):
    model = mlp(activation)
    model.linear1.weight.data = mg.randn(32, 32) * 20
    assert ("warning", "saturated", "act1") in found(study.check(model, rows()))


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        (lambda weight: mg.randn(*weight.shape), "warning"),
        (lambda weight: mg.randn(*weight.shape) * 1e-4, "warning"),
        (lambda weight: mg.zeros(*weight.shape), "error"),
        (lambda weight: mg.full(weight.shape, 0.01), "error"),
    ],
)
def test_scales(change, severity):
    model = models.lenet5()
    model.classifier[1].weight.data = change(model.classifier[1].weight)
    assert (severity, "scale", "classifier.1.weight") in found(study.check(model, images()))


def test_loss_far_from_guessing():
    model = mlp(nn.ReLU)
    model.head.bias.data = mg.arange(10).float() * 20
    report = study.check(model, rows())
    assert ("warning", "loss", "loss") in found(report)
    assert f"{math.log(10):.3g}" in str(report)


def test_evaluation_mode():
    model = models.resnet20().eval()
    report = study.check(model, images(channels=3, side=32))
    assert ("warning", "mode", "model") in found(report)
    assert not model.training
    model.train()
    model.layer1[0].bn1.eval()
    assert found(study.check(model, images(channels=3, side=32))) == {("note", "mode", "layer1.0.bn1")}
    assert not study.check(models.lenet5().eval(), images())  # has no layer that minds


@pytest.mark.parametrize(("passes", "severity"), [(1, "note"), (2, "warning"), (3, "warning")])
def test_gradients_not_zeroed(passes, severity):
    model, (x, y) = models.lenet5(), images()
    for _ in range(passes):
        F.cross_entropy(model(x), y).backward()
    report = study.check(model, (x, y))
    assert found(report) == {(severity, "not zeroed", "features.0.weight and 9 more")}
    assert passes == 1 or f"about {passes} batches" in str(report)
    model.zero_grad(set_to_none=False)
    assert not study.check(model, (x, y))


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.ReLU(), nn.Sigmoid()])
def test_softmax_before_cross_entropy(last):
    severity = "error" if isinstance(last, nn.Softmax) else "warning"
    report = study.check(nn.Sequential(mlp(nn.ReLU), last), rows(), nn.CrossEntropyLoss())
    assert found(report) == {(severity, "softmax", "outputs")}


@pytest.mark.parametrize("change", [lambda x: x * 60 + 128, lambda x: x + 7, lambda x: x / 1000])
def test_inputs_not_normalised(change):
    x, y = images()
    assert ("warning", "inputs", "inputs") in found(study.check(models.lenet5(), (change(x), y)))


def test_inputs_all_the_same():
    assert ("error", "inputs", "inputs") in found(study.check(models.lenet5(), (mg.zeros(4, 1, 28, 28), mg.arange(4))))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_finite(value):
    x, y = images()
    model = models.lenet5()
    x.array[0, 0, 3, 3] = value
    assert found(study.check(model, (x, y))) == {("error", "not finite", "inputs")}
    model.features[3].weight.data[0, 0, 0, 0] = value
    assert found(study.check(model, images())) == {("error", "not finite", "features.3.weight")}


def test_first_layer_that_breaks():
    class Log(nn.Module):
        def forward(self, x):
            return x.log()

    model = nn.Sequential(nn.Linear(32, 32), Log(), nn.Linear(32, 10))
    assert found(study.check(model, rows())) == {("error", "not finite", "1")}
    zero = nn.Sequential(nn.Linear(32, 4, bias=False))
    report = study.check(zero, rows(), lambda outputs, targets: (outputs * 0).sum().sqrt())
    assert ("error", "not finite", "0.weight") in found(report)


@pytest.mark.parametrize("shift", [1, -1])
def test_targets_out_of_range(shift):
    x, _ = rows()
    y = mg.tensor((np.arange(32) % 10) + shift)
    assert found(study.check(mlp(nn.ReLU), (x, y))) == {("error", "targets", "targets")}


def test_targets_that_broadcast_or_are_not_shuffled():
    x, _ = rows()
    assert found(study.check(mlp(nn.ReLU, classes=1), (x, mg.randn(32)))) == {("error", "targets", "targets")}
    y = mg.full((32,), 3, dtype=mg.int64)
    assert found(study.check(mlp(nn.ReLU), (x, y))) == {("warning", "targets", "targets")}


def test_optimizer():
    model = mlp(nn.ReLU)
    optimizer = mg.optim.SGD(mlp(nn.ReLU).parameters(), 0.1)
    assert found(study.check(model, rows(), optimizer=optimizer)) == {
        ("error", "optimizer", "linear0.weight and 7 more")
    }
    optimizer = mg.optim.SGD(model.parameters(), 0.0)
    assert found(study.check(model, rows(), optimizer=optimizer)) == {("warning", "optimizer", "optimizer")}


# What it leaves behind: nothing


def state(model):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    grads = {name: p.grad for name, p in model.named_parameters()}
    return (
        {name: (id(t), id(t.array), t._version.value, t.array.tobytes()) for name, t in tensors.items()},
        {name: None if g is None else (id(g), g.array.tobytes()) for name, g in grads.items()},
        [p.requires_grad for p in model.parameters()],
        [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        mg.get_rng_state().tolist(),
    )


def healthy():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(),
                         nn.Linear(4 * 36, 10))  # fmt: skip


def test_nothing_is_changed():
    model, batch = healthy(), images(channels=3, side=8)
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    model[0].bias.grad = None
    before, inputs = state(model), batch[0].array.copy()
    with mg.no_grad():
        study.check(model, batch)
        assert not mg.is_grad_enabled()
    assert state(model) == before
    assert (batch[0].array == inputs).all()


def test_nothing_is_changed_by_an_error():
    model, batch = healthy(), images(channels=3, side=8)
    before = state(model)
    with pytest.raises(KeyError):
        study.check(model, batch, lambda outputs, targets: {}["loss"])
    with pytest.raises(RuntimeError):
        study.check(model, (mg.randn(2, 3, 9, 9), batch[1]))
    before = (*before[:-1], mg.get_rng_state().tolist())
    assert state(model) == before


def test_training_goes_on_as_without_it():
    ends = []
    for checked in (False, True):
        mg.manual_seed(3)
        model, batch = healthy(), images(channels=3, side=8)
        optimizer = mg.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            if checked:
                study.check(model, batch, optimizer=optimizer)
            F.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()
        ends.append([tensor.array.tobytes() for tensor in model.state_dict().values()])
    assert ends[0] == ends[1]


def test_report():
    x, y = images()
    report = study.check(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1)).eval(), (x * 100 + 7, y + 1 - 1)
    )
    assert report and [finding.severity for finding in report] == sorted(
        (finding.severity for finding in report), key=["error", "warning", "note"].index
    )
    assert all(finding.advice.endswith(".") and finding.advice.count(". ") == 0 for finding in report)
    for finding in report:
        assert finding.place in str(report) and finding.advice in str(report)


def test_bad_calls():
    x, y = images()
    with pytest.raises(TypeError, match="model must be a Module"):
        study.check(lambda x: x, (x, y))
    with pytest.raises(TypeError, match="pair"):
        study.check(models.lenet5(), x)
    with pytest.raises(TypeError, match="must be Tensors, got ndarray"):
        study.check(models.lenet5(), (x.array, y))
    with pytest.raises(ValueError, match="one element"):
        study.check(models.lenet5(), (x, y), lambda outputs, targets: outputs)
