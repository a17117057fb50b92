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


def check(model, shape, path, batch=1, batches=(1, 5)):
    model.eval()
    run = exported(model, shape, path, batch)
    for batch in batches:
        images = mg.randn(batch, *shape)
        with mg.no_grad():
            expected = model(images).numpy()
        found = run(images.numpy())
        assert found.shape == expected.shape and found.dtype == expected.dtype
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
    "all and any": lambda x: mg.where((x > -2).all(1) & ~(x > 2).any(1), x[:, 0], 0.0),
    "all, one": lambda x: x * (x > -9).all(),
    "argmax": lambda x: x.argmax(1) + x.argmin(2, keepdim=True)[:, 0],
    "argsort": lambda x: x.argsort(2),
    "batch_norm of the batch": lambda x: F.batch_norm(x, None, None, mg.ones(3) * 2, mg.ones(3), training=True),
    "batch_norm of the batch, plain": lambda x: F.batch_norm(x, None, None, training=True),
    "cumsum": lambda x: x.cumsum(-1) + x.prod(1, keepdim=True),
    "finite": lambda x: mg.where((x / x.relu()).isfinite(), x, -1.0),
    "gather": lambda x: x.gather(1, x.argsort(1)[:, :2]),
    "index": lambda x: x[:, mg.tensor([2, 0, 2])],
    "log": lambda x: x.abs().log1p() + (x.abs() + 1).log2() + x.trunc(),
    "logic": lambda x: mg.logical_or(mg.logical_and(x > 0, x != 1), x < -1) ^ (x.isnan() | x.isinf()),
    "max and where it is": lambda x: x.max(1).values * x.min(2, keepdim=True).indices.sum(1),
    "max, values": lambda x: x.max(1)[0] + x.min(1)[0],
    "pad, reflect": lambda x: F.pad(x, (2, 1, 3, 0), mode="reflect"),
    "pad, replicate and circular": lambda x: F.pad(F.pad(x, (2, 1, 0, 0), mode="replicate"), (0, 0, 2, 1), "circular"),
    "sort": lambda x: x.sort(-1, descending=True).values + x.sort(1)[0],
    "topk": lambda x: x.topk(2, 1)[0] * x.topk(2, 1, largest=False).indices,
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
    "silu_": lambda x: F.silu(x, inplace=True) + x,
    "add_ and fill_": lambda x: x.add_(x.mean(1, keepdim=True)) * x[:, :1].clone().fill_(2.0),
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


# Exported with a batch of 4, and run with other batches.
OF_THE_BATCH = {
    "all but the last": lambda x: x[: x.shape[0] - 1],
    "arithmetic": lambda x: x * x.shape[0] + x.size(0) * 2,
    "chunks": lambda x: mg.cat(x.chunk(2)[::-1]),
    "doubled": lambda x: mg.cat([x, x])[: 2 * len(x) - 1],
    "expanded": lambda x: mg.ones(1, 3, 8, 8).expand(len(x), -1, -1, -1) + x,
    "flattened with the batch": lambda x: x.reshape(x.shape[0] * 3, 8, 8),
    "half": lambda x: x[: x.shape[0] // 2],
    "later half": lambda x: x[(len(x) + 1) // 2 :],
    "mean": lambda x: x - x.mean(0) + x.var(0),
    "padded": lambda x: F.pad(x, (0, 0, 0, 0, 0, 0, 1, 2)),
    "reshaped": lambda x: x.permute(1, 0, 2, 3).reshape(3, len(x), 4, 16).permute(1, 0, 2, 3),
    "sorted": lambda x: x.sort(0).values,
    "the last": lambda x: x[len(x) - 1],
    "transposed": lambda x: x.flatten(1).t(),
    "zeros": lambda x: mg.cat([x, mg.zeros(x.shape[0], 2, 8, 8)], 1),
}


@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_arithmetic_on_the_size_of_the_batch_is_exported(name, tmp_path):
    mg.manual_seed(0)
    check(Scaled(OF_THE_BATCH[name]), (3, 8, 8), tmp_path / "model.onnx", batch=4, batches=(2, 4, 6, 10))


def test_the_size_of_an_output_is_named(tmp_path):
    import onnx

    minigrad.onnx.export(Scaled(lambda x: x[: len(x) // 2].flatten(1)), mg.randn(4, 3, 8, 8), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    sizes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.output]
    assert sizes == [["batch // 2", 192]]


def test_what_no_output_needs_is_left_out(tmp_path):
    import onnx

    def function(x):
        F.unfold(x, 3)  # ONNX has no such operator, and needs none
        return x.max(1)[0]

    minigrad.onnx.export(Scaled(function), mg.randn(1, 3, 8, 8), tmp_path / "model.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert "ReduceMax" in operators and not {"ArgMax", "GatherElements"} & set(operators)


def written(whole, part):
    whole[:, 1:] = part[:, 1:]
    return whole


REFUSED = {
    "takes a tensor .* written in place": lambda x: F.relu(x[:, 0], inplace=True) + x[:, 1],
    r"write \(test_export.py.*into a part of a tensor": lambda x: written(mg.zeros(len(x), 3, 8, 8), x) * 2,
    "write .*into a part": lambda x: x.scatter(1, x.argmax(1, keepdim=True), 0.0),
    "that depends on the input": lambda x: x * mg.tensor(x.numpy()).mean(),
    r"Unfold \(test_export.py:\d+: .*\): there is no ONNX operator": lambda x: F.unfold(x, 3),
    r"CumSum \(test_export.py:\d+.*computes with the number of inputs": lambda x: x.cumsum(len(x) - len(x) // 2 * 2),
    "other operations for another input: Mul .*test_export.py": lambda x: x * 2 if len(x) == 1 else x.relu(),
    "other operations for another input: .* for 2 in a batch": lambda x: x * 2 if len(x) > 8 else x.relu(),
    "other arguments for another input: 1, 0, 1": lambda x: x * (1 - len(x) % 2),
    "Mul .*has other arguments for another input": lambda x: x * x.max().item(),
    "Index .*depends on the input": lambda x: x[mg.arange(len(x)), mg.tensor(x.argmax(1).numpy()[:, 0, 0])],
    "indices in several dimensions": lambda x: x[:, mg.tensor([0, 1]), mg.tensor([2, 3])],
    "other results of MaxPool2d": lambda x: F.max_pool2d(x, 2, return_indices=True)[1].float(),
    "Index .*test_export.py": lambda x: x[x > 0] + 1,
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
