"""The summary of a model: published figures, rows checked by hand, and a model that stays as it was."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.vision import models


def rows(summary, **wanted):
    return [layer for layer in summary.layers if all(getattr(layer, key) == value for key, value in wanted.items())]


@pytest.fixture
def quick_weights(monkeypatch):
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor.array.fill(0))


def test_vgg16_is_the_well_known_table(quick_weights):
    """Rows as in Stanford's CS231n notes: 150K, 2 x 3.2M, 800K, ... values, 138M parameters.

    The notes state 24M values, 96 MB at 4 bytes; the sum of their rows, and ours, is 15.2M or 61 MB.
    """
    summary = mg.summary(models.vgg16(), (3, 224, 224))
    kept = [(layer.kind, layer.forward_bytes // 4) for layer in summary.layers if layer.forward_bytes]
    convolutions = [(64, 224, 2), (128, 112, 2), (256, 56, 3), (512, 28, 3), (512, 14, 3)]
    expected = [("input", 3 * 224 * 224)]
    for channels, side, count in convolutions:
        expected += [("Conv2d", channels * side * side)] * count + [("MaxPool2d", channels * side * side // 4)]
    expected += [("AdaptiveAvgPool2d", 512 * 7 * 7), ("Linear", 4096), ("Linear", 4096), ("Linear", 1000)]
    assert kept == expected
    assert summary.forward_bytes == pytest.approx(61e6, rel=0.01)
    assert summary.backward_bytes == pytest.approx(2 * summary.forward_bytes, rel=0.01)  # no gradient for the input
    assert summary.parameters == summary.trainable_parameters == 138_357_544
    assert summary.multiply_adds / 1e9 == pytest.approx(15.47, abs=0.01)
    # Simonyan and Zisserman, and Dang Ha The Hien's guide: 3, 5, 6, 10, 14, ..., 212.
    pooled = [layer.receptive_field for layer in rows(summary, kind="MaxPool2d")]
    assert pooled == [(side, side) for side in (6, 16, 44, 100, 212)]


# Giga multiply-adds from torchvision's documentation; receptive fields of the last pooling or block from Araujo, Norris
# and Sim 2019, "Computing receptive fields of convolutional neural networks" (ResNet-50 by hand: theirs has the stride
# on the first 1x1).
@pytest.mark.parametrize(
    "name, work, sees",
    [("alexnet", 0.71, 195), ("resnet18", 1.81, 435), ("resnet50", 4.09, 427), ("googlenet", 1.50, None),
     ("efficientnet_b0", 0.39, None)],
)  # fmt: skip
def test_published_figures(name, work, sees, quick_weights):
    summary = mg.summary(models.get_model(name), (3, 224, 224))
    assert summary.multiply_adds / 1e9 == pytest.approx(work, abs=0.006)
    if sees:
        before = [layer for layer in summary.layers if layer.receptive_field][-2]
        assert before.receptive_field == (sees, sees)


def measured_field(model, shape):
    """Height and width of the input's pixels that reach the middle output pixel, by their gradient."""
    x = mg.ones(1, *shape, requires_grad=True)
    y = model(x)
    y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum().backward()
    touched = np.abs(x.grad.numpy()[0]).sum(0)
    return tuple(int(np.ptp(np.nonzero(touched.sum(axis))[0]) + 1) for axis in (1, 0))


class Branches(nn.Module):
    """A sum and a concatenation made without layers, with a functional ReLU between."""

    def __init__(self):
        super().__init__()
        self.narrow = nn.Conv2d(2, 3, (1, 3), stride=2, padding=(0, 1))
        self.wide = nn.Conv2d(2, 3, 5, stride=2, padding=2)
        self.long = nn.Conv2d(3, 2, (3, 1), dilation=2, padding=(2, 0))
        self.pool = nn.AvgPool2d((2, 1), stride=1)
        self.last = nn.Conv2d(5, 4, 3)

    def forward(self, x):
        x = self.narrow(x) + self.wide(x)
        x = mg.cat([F.softplus(x), self.long(F.softplus(x))], dim=1)
        return self.last(self.pool(x))


def test_receptive_fields_are_those_that_gradients_have():
    mg.manual_seed(0)
    for model in (
        Branches(),
        nn.Sequential(
            nn.Conv2d(2, 2, 3, 2), nn.AvgPool2d(3, 2, 1), nn.Identity(), nn.Conv2d(2, 1, (2, 3), dilation=(2, 1))
        ),
    ):
        summary = mg.summary(model, (2, 60, 60))
        assert summary.layers[-1].receptive_field == measured_field(model, (2, 60, 60))
    fields = {layer.name: layer.receptive_field for layer in mg.summary(Branches(), (2, 60, 60)).layers}
    assert fields["narrow"] == (1, 3) and fields["wide"] == (5, 5) and fields["long"] == (13, 5)


def test_shortcuts_without_layers_keep_the_step():
    summary = mg.summary(models.resnet20(), (3, 32, 32))
    second = rows(summary, name="layer2.0.downsample")[0]
    assert second.kind == "ZeroPadShortcut" and second.receptive_field == (15, 15)
    assert rows(summary, name="layer2.1.conv2")[0].receptive_field == (3 + 6 * 2 + 2 + 3 * 4,) * 2


def test_rows_in_order_of_calls_and_parameters_once():
    summary = mg.summary(models.TutorialCNN(), (1, 28, 28))
    assert [layer.name for layer in summary.layers] == ["", "conv1", "pool", "conv2", "pool", "fc1", "fc2"]
    assert [layer.parameters for layer in summary.layers] == [0, 156, 0, 1510, 0, 9016, 570]
    assert [layer.multiply_adds for layer in summary.layers] == [0, 86_400, 0, 96_000, 0, 8_960, 560]
    shared = nn.Linear(4, 4)
    twice = mg.summary(nn.Sequential(shared, nn.Tanh(), shared), (4,))
    assert [layer.parameters for layer in twice.layers] == [0, 20, 0, 0]
    assert twice.parameters == 20 and twice.multiply_adds == 32
    assert [layer.forward_bytes for layer in twice.layers] == [16, 16, 0, 16]
    assert mg.summary(nn.ConvTranspose2d(2, 3, 4, 2, groups=1), (2, 5, 5)).multiply_adds == 50 * 3 * 16
    assert mg.summary(nn.Flatten(), (2, 3)).layers[-1].forward_bytes == 0


def test_text_is_a_table_with_sums():
    model = models.LeNet5()
    model.classifier[1].weight.requires_grad_(False)
    text = str(mg.summary(model, (1, 28, 28)))
    assert text == repr(mg.summary(model, (1, 28, 28)))
    lines = text.splitlines()
    assert lines[0].strip() == "LeNet5, one input of 1 x 28 x 28"
    assert lines[2].split() == [
        "layer",
        "kind",
        "output",
        "parameters",
        "multiply-adds",
        "forward",
        "and",
        "backward",
        "sees",
    ]
    convolution = next(line for line in lines if "features.0" in line)
    assert " ".join(convolution.split()) == "features.0 Conv2d 6 x 28 x 28 156 117,600 18.8 kB 37.6 kB 5"
    assert lines[-2].split()[:3] == ["sum", "61,706", "416,520"]
    assert lines[-1].strip() == "48,000 of the parameters are not trained"
    assert all(len(line) <= 160 for line in lines)


def test_the_model_stays_as_it_was():
    model = models.vgg11_bn(small_input=True).double().train()
    model.features[1].eval()
    state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    modes, numbers = [module.training for module in model.modules()], mg.get_rng_state()
    with mg.no_grad():
        summary = mg.summary(model, [3, 32, 32])
        assert not mg.is_grad_enabled()
    assert summary.layers[1].forward_bytes == 8 * 64 * 32 * 32
    assert [module.training for module in model.modules()] == modes
    assert all(not module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name])
    np.testing.assert_array_equal(mg.get_rng_state().numpy(), numbers.numpy())


def test_errors_come_in_one_line_and_leave_nothing_behind():
    model = models.LeNet5()
    for wrong in ((), (1, 0, 28), (1, 28.0, 28)):
        with pytest.raises(ValueError, match="summary: input_shape must be the positive sizes of one input"):
            mg.summary(model, wrong)
    with pytest.raises(RuntimeError):
        mg.summary(model, (3, 28, 28))
    assert model.training and all(not module._forward_hooks for module in model.modules())
