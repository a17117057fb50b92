"""Exported models, run by onnxruntime: the same numbers, for other batches too; and clear words for what cannot be."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import minigrad as mg
import minigrad.onnx
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.vision import models

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def exported(model, shape, path, batch=1):
    """The file of a model as a function of arrays."""
    minigrad.onnx.export(model, mg.randn(batch, *shape), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"input": images})[0]


def check(model, shape, path):
    model.eval()
    run = exported(model, shape, path)
    for batch in (1, 3):
        images = mg.randn(batch, *shape)
        with mg.no_grad():
            expected = model(images).numpy()
        found = run(images.numpy())
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def with_statistics(model):
    """The model with batch-norm statistics as training leaves them."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(mg.randn(layer.num_features) * 0.1)
            layer.running_var.copy_(mg.rand(layer.num_features) + 0.5)
    return model


MODELS = {
    "lenet5": (models.lenet5, (1, 28, 28)),
    "lenet5 of 1998": (lambda: models.lenet5(classic=True), (1, 28, 28)),
    "tutorial_cnn": (models.tutorial_cnn, (1, 28, 28)),
    "resnet20": (models.resnet20, (3, 32, 32)),
    "resnet20 v2": (lambda: models.resnet20(preactivation=True), (3, 32, 32)),
    "resnet18": (lambda: models.resnet18(num_classes=10), (3, 64, 64)),
    "vgg with lrn": (lambda: models.vgg11_lrn(num_classes=10, small_input=True), (3, 32, 32)),
    "vgg with bn": (lambda: models.vgg11_bn(num_classes=10, small_input=True), (3, 32, 32)),
    "googlenet": (lambda: models.googlenet(num_classes=10, transform_input=True), (3, 64, 64)),
    "googlenet of 2014": (lambda: models.googlenet(num_classes=10, batch_norm=False), (3, 64, 64)),
    "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=10), (3, 64, 64)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_same_logits(name, tmp_path):
    mg.manual_seed(0)
    build, shape = MODELS[name]
    check(with_statistics(build()), shape, tmp_path / "model.onnx")


@pytest.mark.parametrize("name", sorted(set(nn.activation.__all__) - {"Softmax", "LogSoftmax"}))
def test_activations_give_the_same_values(name, tmp_path):
    mg.manual_seed(0)
    check(nn.Sequential(nn.Conv2d(3, 4, 3), getattr(nn, name)()), (3, 8, 8), tmp_path / "model.onnx")


class Scaled(nn.Module):
    """A function of x times a parameter."""

    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, nn.Parameter(mg.ones(3, 1, 1))

    def forward(self, x):
        return self.function(x * self.weight)


OPERATIONS = {
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 3),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 4),
    "avg_pool2d, ceil_mode": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False, ceil_mode=True),
    "avg_pool2d, divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "bmm": lambda x: x[:, 0] @ x[:, 1],
    "clamp": lambda x: x.clamp(-0.1, 0.5),
    "clamp by a tensor": lambda x: x.clamp(min=x.mean((2, 3), keepdim=True)),
    "conv2d, same": lambda x: F.conv2d(x, mg.ones(2, 3, 2, 4), padding="same"),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, mg.ones(3, 2, 3, 3), mg.ones(2), 2, 1, output_padding=1),
    "double": lambda x: (x.double() * 2).float(),
    "einsum": lambda x: mg.einsum("bchw,bdhw->bcd", x, x),
    "expand": lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 4),
    "flip": lambda x: x.flip((2, 3)),
    "group_norm": lambda x: F.group_norm(x, 3),
    "layer_norm": lambda x: F.layer_norm(x, (8, 8)),
    "logsumexp": lambda x: mg.logsumexp(x, 1),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, 0.0),
    "max": lambda x: x.amax((2, 3)),
    "max_pool2d, ceil_mode": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "merged with the batch": lambda x: x.reshape(-1, 8).softmax(1).reshape(x.shape),
    "normalize": F.normalize,
    "pad and crop": lambda x: F.pad(x, (1, 2, -1, 3), value=2.0),
    "permute": lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1),
    "relu_": lambda x: F.relu(x, inplace=True),
    "slice": lambda x: x[:, 1:, ::2, None, 3],
    "slice from the end": lambda x: x[:, -1],
    "softmax": lambda x: F.log_softmax(x, 1) + F.softmax(x, 1),
    "stack": lambda x: mg.stack([x, x], 1).sum(1),
    "times -1": lambda x: -1 * x,
    "variance": lambda x: x.var((1, 2)) + x.std((1, 2)),
    "where": lambda x: mg.where(x > 0, x, -x),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_give_the_same_values(name, tmp_path):
    mg.manual_seed(0)
    check(Scaled(OPERATIONS[name]), (3, 8, 8), tmp_path / "model.onnx")


REFUSED = {
    "written in place": lambda x: F.silu(x, inplace=True),
    "that depends on the input": lambda x: x * mg.tensor(x.numpy()).mean(),
    "computes with the number of inputs": lambda x: x - x.mean(0),
    "no ONNX operator here for BatchNorm": lambda x: F.batch_norm(x, None, None, training=True),
    "other operations for another input": lambda x: x * 2 if len(x) == 1 else x,
    "must return a tensor computed from its input": lambda x: mg.ones(3),
    "centres an even number": lambda x: F.local_response_norm(x, 4),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_onnx_cannot_say_is_refused_in_one_line(words, tmp_path):
    with pytest.raises(ValueError, match=words) as error:
        exported(Scaled(REFUSED[words]), (3, 8, 8), tmp_path / "model.onnx")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'minigrad\[onnx\]'"):
        exported(nn.Linear(2, 2), (2,), tmp_path / "model.onnx")


def test_the_model_is_left_as_it_was(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.ReLU()).train()
    model[1].eval()
    exported(model, (3, 8, 8), tmp_path / "model.onnx")
    assert [layer.training for layer in model] == [True, False, True]
    assert not isinstance(mg.ones(1) > 0, str) and mg.Tensor.__gt__.__qualname__.startswith("_operator")


def test_names_and_constants_are_the_models(tmp_path):
    import onnx

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, a, b):
            return self.fc(a), b * 2

    pair = mg.ones(2, 4), mg.ones(2, 3)
    minigrad.onnx.export(Two(), pair, tmp_path / "two.onnx", input_names=["a", "b"])
    graph = onnx.load(tmp_path / "two.onnx").graph
    assert [value.name for value in graph.input] == ["a", "b"]
    assert [value.name for value in graph.output] == ["output_0", "output_1"]
    assert {"fc.weight", "fc.bias"} <= {constant.name for constant in graph.initializer}
    with pytest.raises(ValueError, match="input_names must be 2 names"):
        minigrad.onnx.export(Two(), pair, tmp_path / "two.onnx", input_names=["a"])
