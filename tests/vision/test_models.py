"""The models: published sizes, parity with PyTorch on equal weights, files both ways, and the papers' special ways.

Each architecture is told again as a function of a state dict, in PyTorch and with torchvision's keys; `compare` then
asks for equal logits, parameter gradients and running statistics, and that every key was used.
"""

import math
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.vision import models
from minigrad.vision.models import registry
from minigrad.vision.models.efficientnet import MBConvConfig, StochasticDepth
from minigrad.vision.models.mobilenet import LARGE, SMALL
from minigrad.vision.models.registry import MODELS
from minigrad.vision.models.resnet import BasicBlock, Bottleneck
from minigrad.vision.models.resnet_v2 import PreActBasicBlock, PreActBottleneck
from minigrad.vision.models.vgg import CONFIGURATIONS, make_layers


@pytest.fixture
def no_init(monkeypatch):
    """Weights stay as `empty` made them: no memory of a large model is touched."""
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.fixture
def quick_init(monkeypatch):
    """NumPy's numbers for the large models, which is a few seconds quicker than ours."""
    rng = np.random.default_rng(0)

    def normal(tensor, mean=0.0, std=1.0, generator=None):
        rng.standard_normal(out=tensor.array, dtype=tensor.dtype)
        tensor.array *= std
        return tensor

    monkeypatch.setattr(nn.init, "normal_", normal)
    monkeypatch.setattr(nn.init, "uniform_", lambda t, a=0.0, b=1.0, generator=None: normal(t, 0, b / math.sqrt(3)))


@pytest.fixture(autouse=True)
def one_thread_for_pytorch():
    """Its threads wait by spinning, which takes the processor from ours."""
    try:
        import torch
    except ImportError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


PARAMETERS = {  # torchvision's documentation, and for what it lacks Caffe's, timm's and the papers'
    "alexnet": 61_100_840,
    "alexnet2012": 60_965_224,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "googlenet": 13_004_888,
    "lenet5": 61_706,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v2": 25_549_352,
    "resnet101_v2": 44_541_480,
    "resnet152_v2": 60_185_128,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnext50_32x4d": 25_028_904,
    "tutorial_cnn": 11_252,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg16c": 133_638_952,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "wide_resnet50_2": 68_883_240,
}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count_is_the_published_one(name, no_init):
    assert parameters(models.get_model(name)) == PARAMETERS[name]


def test_googlenet_without_auxiliaries_and_as_published_in_2014(no_init):
    assert parameters(models.googlenet(aux_logits=False)) == 6_624_904
    assert parameters(models.googlenet(aux_logits=False, batch_norm=False)) == 6_998_552  # Caffe's
    assert parameters(models.googlenet(batch_norm=False)) == 13_378_280


def test_every_model_is_listed_and_a_wrong_name_meets_the_nearest():
    assert set(PARAMETERS) <= set(models.list_models())
    assert all(getattr(models, name) is entry.build for name, entry in MODELS.items())
    with pytest.raises(ValueError, match=r"Unknown model 'resnet51'; did you mean .*resnet50"):
        models.get_model("resnet51")


def test_a_model_of_ones_own_is_registered(monkeypatch):
    monkeypatch.setattr(registry, "MODELS", dict(MODELS))

    @models.register_model((1, 2, 2), 5, "nobody 2026")
    def one_layer(num_classes: int = 1) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(4, num_classes))

    assert "one_layer" in models.list_models()
    assert models.get_model("one_layer", num_classes=3)(mg.zeros(2, 1, 2, 2)).shape == (2, 3)
    with pytest.raises(ValueError, match="register_model: there is a model called 'one_layer' already"):
        models.register_model((1, 2, 2), 5, "nobody 2026")(one_layer)


class Weights:
    """A model's state in PyTorch, read by name; `unread` is what nobody asked for."""

    def __init__(self, model, train):
        torch = pytest.importorskip("torch")
        self.functions, self.train = torch.nn.functional, train
        trained = {name for name, _ in model.named_parameters()}
        self.tensors = {
            name: torch.tensor(value.numpy(), requires_grad=name in trained)
            for name, value in model.state_dict().items()
        }
        self.unread = {name for name in self.tensors if not name.endswith("num_batches_tracked")}

    def __call__(self, name):
        self.unread.discard(name)
        return self.tensors.get(name)

    def conv(self, x, name, **settings):
        return self.functions.conv2d(x, self(f"{name}.weight"), self(f"{name}.bias"), **settings)

    def linear(self, x, name):
        return self.functions.linear(x, self(f"{name}.weight"), self(f"{name}.bias"))

    def bn(self, x, name, eps=1e-5):
        state = [self(f"{name}.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
        return self.functions.batch_norm(x, *state, self.train, 0.1, eps)


def scramble(model):
    """Batch normalisations that do something, even in evaluation."""
    rng = np.random.default_rng(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            size = layer.num_features
            layer.weight.data = mg.from_numpy(rng.uniform(0.5, 1.5, size)).to(layer.weight.dtype)
            layer.bias.data = mg.from_numpy(rng.normal(0, 0.2, size)).to(layer.weight.dtype)
            layer.running_mean.copy_(mg.from_numpy(rng.normal(0, 0.2, size)))
            layer.running_var.copy_(mg.from_numpy(rng.uniform(0.5, 1.5, size)))
    return model


def compare(model, reference, shape, train, tolerance=1e-9):
    """`model` against `reference(weights, x)`, at the model's dtype; differences relative to the largest value.

    float64 where memory allows. In float32 some of a large network's ReLUs and maxima fall on the other side of a tie,
    so its gradients get a wider `tolerance`.
    """
    torch = pytest.importorskip("torch")
    scramble(model.train(train))
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0  # the generators differ
    weights = Weights(model, train)
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape).astype(next(model.parameters()).dtype)
    ours, theirs = model(mg.from_numpy(x)), reference(weights, torch.from_numpy(x))
    ours, theirs = ([logits] if not isinstance(logits, tuple) else logits for logits in (ours, theirs))
    assert len(ours) == len(theirs) and not weights.unread, weights.unread
    pull = [rng.normal(size=logits.shape).astype(x.dtype) for logits in ours]
    sum((logits * mg.from_numpy(p)).sum() for logits, p in zip(ours, pull, strict=True)).backward()
    sum((logits * torch.from_numpy(p)).sum() for logits, p in zip(theirs, pull, strict=True)).backward()

    def check(name, found, expected, tolerance=tolerance):
        error, size = np.abs(found - expected).max(), np.abs(expected).max()
        assert error <= tolerance * size, f"{name}: {error} of {size}"

    for logits, expected in zip(ours, theirs, strict=True):
        check("logits", logits.numpy(force=True), expected.detach().numpy(), min(tolerance, 1e-4))
    # What is exactly zero in theory (a bias before batch normalisation) is noise of the size of its sums.
    noise = tolerance * max(tensor.grad.abs().max() for tensor in weights.tensors.values() if tensor.grad is not None)
    for name, parameter in model.named_parameters():
        expected = weights.tensors[name].grad.numpy()
        if np.abs(expected).max() > noise:
            check(name, parameter.grad.numpy(), expected)
        else:
            assert np.abs(parameter.grad.numpy()).max() <= noise, name
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            check(name, buffer.numpy(), weights.tensors[name].numpy())


TRAIN_AND_EVAL = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


@TRAIN_AND_EVAL
@pytest.mark.parametrize("size, classic", [(28, False), (32, False), (28, True), (32, True)])
def test_lenet(size, classic, train):
    def reference(w, x):
        F = w.functions
        activation, pool = (F.relu, F.max_pool2d) if not classic else (lambda y: y.tanh(), F.avg_pool2d)
        x = pool(activation(w.conv(x, "features.0", padding=2 if size == 28 else 0)), 2)
        x = pool(activation(w.conv(x, "features.3")), 2).flatten(1)
        return w.linear(activation(w.linear(activation(w.linear(x, "classifier.1")), "classifier.3")), "classifier.5")

    compare(models.LeNet5(input_size=size, classic=classic).double(), reference, (3, 1, size, size), train)


def test_lenet_refuses_other_sizes():
    with pytest.raises(ValueError, match="input_size must be 28 or 32, but got 30"):
        models.LeNet5(input_size=30)


@TRAIN_AND_EVAL
def test_tutorial_cnn(train):
    def reference(w, x):
        F = w.functions
        x = F.max_pool2d(F.relu(w.conv(x, "conv1")), 2)
        x = F.max_pool2d(F.relu(w.conv(x, "conv2")), 2)
        return w.linear(F.relu(w.linear(x.flatten(1), "fc1")), "fc2")

    compare(models.TutorialCNN().double(), reference, (3, 1, 28, 28), train)


def mlp(w, x, places):
    """The classifiers of AlexNet and VGG without their dropout."""
    *hidden, last = places
    for place in hidden:
        x = w.functions.relu(w.linear(x, f"classifier.{place}"))
    return w.linear(x, f"classifier.{last}")


def test_alexnet(quick_init):
    def reference(w, x):
        F = w.functions
        x = F.max_pool2d(F.relu(w.conv(x, "features.0", stride=4, padding=2)), 3, 2)
        x = F.max_pool2d(F.relu(w.conv(x, "features.3", padding=2)), 3, 2)
        for place in (6, 8, 10):
            x = F.relu(w.conv(x, f"features.{place}", padding=1))
        return mlp(w, F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), 6).flatten(1), (1, 4, 6))

    compare(models.alexnet(num_classes=5), reference, (2, 3, 95, 79), train=True, tolerance=1e-4)


def test_alexnet_of_2012(quick_init):
    torch = pytest.importorskip("torch")

    def norm(x):  # the paper's formula, from the definition
        squares = torch.nn.functional.pad(x**2, (0, 0, 0, 0, 2, 2))
        return x / (2 + 1e-4 * sum(squares[:, i : i + x.shape[1]] for i in range(5))) ** 0.75

    def reference(w, x):
        F = w.functions
        x = F.max_pool2d(norm(F.relu(w.conv(x, "features.0", stride=4, padding=2))), 3, 2)
        x = F.max_pool2d(norm(F.relu(w.conv(x, "features.4", padding=2, groups=2))), 3, 2)
        for place, groups in ((8, 1), (10, 2), (12, 2)):
            x = F.relu(w.conv(x, f"features.{place}", padding=1, groups=groups))
        return mlp(w, F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), 6).flatten(1), (1, 4, 6))

    model = models.alexnet2012(num_classes=5)
    biases = [layer.bias.numpy(force=True) for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert [set(bias) for bias in biases] == [{value} for value in (0, 1, 0, 1, 1, 1, 1, 0)]
    compare(model, reference, (2, 3, 95, 79), train=False, tolerance=1e-4)


def narrow(name):
    """A VGG configuration with an eighth of the channels."""
    return [layer // 8 if isinstance(layer, int) else layer for layer in CONFIGURATIONS[name]]


def vgg(plan, batch_norm, side):
    """The paper's table 1, a string a block: "3" and "1" for the convolutions' sizes, "n" for LRN."""

    def reference(w, x):
        F, place = w.functions, 0
        for block in plan.split():
            for layer in block:
                if layer == "n":
                    x, place = F.local_response_norm(x, 5, 5e-4, 0.75, 2), place + 1
                    continue
                x = w.conv(x, f"features.{place}", padding=int(layer) // 2)
                if batch_norm:
                    x = w.bn(x, f"features.{place + 1}")
                x, place = F.relu(x), place + 2 + batch_norm
            x, place = F.max_pool2d(x, 2), place + 1
        return mlp(w, F.adaptive_avg_pool2d(x, side).flatten(1), (0, 3, 6))

    return reference


PLANS = {
    "A": "3 3 33 33 33",
    "A-LRN": "3n 3 33 33 33",
    "B": "33 33 33 33 33",
    "C": "33 33 331 331 331",
    "D": "33 33 333 333 333",
    "E": "33 33 3333 3333 3333",
}


@TRAIN_AND_EVAL
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_vgg(name, batch_norm, train):
    model = models.VGG(make_layers(narrow(name), batch_norm, in_channels=1), 7, small_input=True)
    compare(model.double(), vgg(PLANS[name], batch_norm, side=1), (4, 1, 34, 45), train)


def test_vgg16_at_its_own_size(quick_init):
    compare(models.vgg16().double(), vgg(PLANS["D"], False, side=7), (1, 3, 224, 224), train=True)


def small_vgg(**settings):
    return models.VGG(make_layers([8, "M", 16, "M", 16, 16, "M", 16, 16, "M", 16, 16, "M"]), 5, **settings).eval()


def test_vgg_evaluated_densely(quick_init):
    model = small_vgg()
    x = mg.randn(2, 3, 256, 288)
    scores = model.score_map(x)
    assert scores.shape == (2, 5, 2, 3)
    # Away from the padding at the picture's rim a place's score is that of its own crop; at 224 it is everywhere.
    np.testing.assert_allclose(model.score_map(x[..., :224, :224])[..., 0, 0].numpy(force=True),
                               model(x[..., :224, :224]).numpy(force=True), atol=1e-5)  # fmt: skip
    maps = model.features(x)
    crop = model.classifier(maps[:, :, 1:8, 2:9].flatten(1))
    np.testing.assert_allclose(scores[:, :, 1, 2].numpy(force=True), crop.numpy(force=True), atol=1e-5)
    with pytest.raises(ValueError, match="at least 224 pixels"):
        model.score_map(mg.randn(1, 3, 192, 224))
    assert small_vgg(small_input=True).score_map(mg.randn(1, 3, 64, 96)).shape == (1, 5, 2, 3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_started_from_a_trained_shallow_one(batch_norm):
    shallow = scramble(models.VGG(make_layers(narrow("A"), batch_norm), 5, small_input=True))
    deep = models.VGG(make_layers(narrow("D"), batch_norm), 5, small_input=True)
    before = {name: value.numpy().copy() for name, value in deep.state_dict().items()}
    deep.initialize_from(shallow)
    theirs, ours = (
        [(name, m) for name, m in model.features.named_children() if isinstance(m, nn.Conv2d)]
        for model in (shallow, deep)
    )
    # First of blocks 1 and 2, first two of block 3.
    for source, target in ((0, 0), (1, 2), (2, 4), (3, 5)):
        np.testing.assert_array_equal(
            ours[target][1].weight.numpy(force=True), theirs[source][1].weight.numpy(force=True)
        )
        if batch_norm:
            norms = [
                model.features[int(place) + 1]
                for model, place in ((shallow, theirs[source][0]), (deep, ours[target][0]))
            ]
            np.testing.assert_array_equal(norms[1].running_var.numpy(), norms[0].running_var.numpy())
    for place in (1, 3, *range(6, 13)):
        name = f"features.{ours[place][0]}.weight"
        np.testing.assert_array_equal(deep.state_dict()[name].numpy(), before[name])
    for name, value in shallow.classifier.state_dict().items():
        np.testing.assert_array_equal(deep.classifier.state_dict()[name].numpy(), value.numpy())
    deep.features[0].weight.data.fill_(0.0)
    assert np.abs(shallow.features[0].weight.numpy(force=True)).max() > 0  # copied, not shared


def googlenet(batch_norm):
    torch = pytest.importorskip("torch")

    def reference(w, x):
        F = w.functions

        def conv(x, name, **settings):
            x = w.conv(x, f"{name}.conv", **settings)
            return F.relu(w.bn(x, f"{name}.bn", 0.001) if batch_norm else x)

        def norm(x):
            return x if batch_norm else F.local_response_norm(x, 5, 5e-4, 0.75, 2)

        def pool(x, size=3):
            return F.max_pool2d(x, size, 2, ceil_mode=True)

        def inception(x, name):
            name = f"inception{name}.branch"
            large = conv(conv(x, f"{name}3.0"), f"{name}3.1", padding=1 if batch_norm else 2)
            pooled = conv(F.max_pool2d(x, 3, 1, 1), f"{name}4.1")
            middle = conv(conv(x, f"{name}2.0"), f"{name}2.1", padding=1)
            return torch.cat([conv(x, f"{name}1"), middle, large, pooled], 1)

        def auxiliary(x, name):
            x = conv(F.adaptive_avg_pool2d(x, 4), f"{name}.conv").flatten(1)
            return w.linear(F.relu(w.linear(x, f"{name}.fc1")), f"{name}.fc2")

        x = norm(pool(conv(x, "conv1", stride=2, padding=3)))
        x = pool(norm(conv(conv(x, "conv2"), "conv3", padding=1)))
        x = pool(inception(inception(x, "3a"), "3b"))
        x = inception(x, "4a")
        first = auxiliary(x, "aux1") if w.train else None
        for name in ("4b", "4c", "4d"):
            x = inception(x, name)
        second = auxiliary(x, "aux2") if w.train else None
        x = pool(inception(x, "4e"), 2 if batch_norm else 3)
        logits = w.linear(inception(inception(x, "5a"), "5b").mean((2, 3)), "fc")
        return (logits, second, first) if w.train else logits

    return reference


@TRAIN_AND_EVAL
@pytest.mark.parametrize("batch_norm", [True, False], ids=["bn", "2014"])
def test_googlenet(batch_norm, train, quick_init):
    model = models.GoogLeNet(num_classes=5, aux_logits=train, batch_norm=batch_norm).double()
    compare(model, googlenet(batch_norm), (3, 3, 75, 64), train, tolerance=1e-8)


def test_googlenet_loss_and_evaluation(quick_init):
    model = models.GoogLeNet(num_classes=3)
    outputs, target = model(mg.randn(2, 3, 64, 64)), mg.tensor([0, 2])
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = [criterion(logits, target).item() for logits in (outputs.logits, outputs.aux_logits1, outputs.aux_logits2)]
    loss = models.auxiliary_loss(outputs, target, criterion).item()
    assert loss == pytest.approx(losses[0] + 0.3 * (losses[1] + losses[2]), rel=1e-5)
    assert isinstance(model.eval()(mg.randn(1, 3, 64, 64)), mg.Tensor)


def test_googlenet_brings_pictures_to_the_published_weights_scale(quick_init, tmp_path):
    source = models.GoogLeNet(num_classes=3)
    mg.save(source.state_dict(), tmp_path / "googlenet.pth")
    model = models.googlenet(weights=tmp_path / "googlenet.pth", num_classes=3).eval()
    assert model.aux1 is None and model.aux2 is None and not any("aux" in name for name in model.state_dict())
    picture = np.random.default_rng(0).uniform(size=(1, 3, 64, 64)).astype(np.float32)
    mean, std = (np.reshape(v, (3, 1, 1)) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    imagenet, half = ((a).astype(np.float32) for a in ((picture - mean) / std, (picture - 0.5) / 0.5))
    expected = source.eval()(mg.from_numpy(half)).numpy(force=True)
    np.testing.assert_allclose(model(mg.from_numpy(imagenet)).numpy(force=True), expected, rtol=1e-3, atol=1e-6)


def resnet(layers, bottleneck=False, shortcut="B", small=False, v2=False, groups=1, dilate=(False,) * 3):
    def reference(w, x):
        F = w.functions
        x = w.conv(x, "conv1", **({"padding": 1} if small else {"padding": 3, "stride": 2}))
        x = F.relu(w.bn(x, "bn1"))
        x = x if small else F.max_pool2d(x, 3, 2, 1)
        rate = 1
        for stage, blocks in enumerate(layers, 1):
            for number in range(blocks):
                name = f"layer{stage}.{number}"
                stride, spread = (2 if stage > 1 and number == 0 else 1), rate
                if stride == 2 and dilate[stage - 2]:
                    stride, rate = 1, rate * 2
                middle = {"stride": stride, "padding": spread, "dilation": spread, "groups": groups}
                settings = [{}, middle, {}] if bottleneck else [middle, {"padding": 1}]
                y = start = F.relu(w.bn(x, f"{name}.bn1")) if v2 and name != "layer1.0" else x
                for i, setting in enumerate(settings, 1):
                    if v2:
                        y = F.relu(w.bn(y, f"{name}.bn{i}")) if i > 1 else y
                        y = w.conv(y, f"{name}.conv{i}", **setting)
                    else:
                        y = w.bn(w.conv(y, f"{name}.conv{i}", **setting), f"{name}.bn{i}")
                        y = F.relu(y) if i < len(settings) else y
                if shortcut != "C" and y.shape == x.shape:
                    skip = x
                elif shortcut == "A":
                    skip = y.new_zeros(y.shape)
                    skip[:, : x.shape[1]] = start[:, :, ::stride, ::stride]
                elif v2:
                    skip = w.conv(start, f"{name}.downsample", stride=stride)
                else:
                    skip = w.bn(w.conv(start, f"{name}.downsample.0", stride=stride), f"{name}.downsample.1")
                x = y + skip if v2 else F.relu(y + skip)
        x = F.relu(w.bn(x, "bn2")) if v2 else x
        return w.linear(x.mean((2, 3)), "fc")

    return reference


@TRAIN_AND_EVAL
@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
def test_resnet(bottleneck, v2, shortcut, train):
    block = ((BasicBlock, PreActBasicBlock), (Bottleneck, PreActBottleneck))[bottleneck][v2]
    network = models.ResNetV2 if v2 else models.ResNet
    layers, small = [2, 1, 2, 1], shortcut == "A"
    model = network(block, layers, 5, in_channels=2, width=8, shortcut=shortcut, small_input=small).double()
    shape = (3, 2, 17, 20) if small else (3, 2, 50, 67)
    compare(model, resnet(layers, bottleneck, shortcut, small, v2), shape, train)


def test_resnext_and_dilation():
    layers, dilate = [1, 2, 2, 1], [False, True, True]
    settings = {"groups": 4, "width_per_group": 32, "replace_stride_with_dilation": dilate, "width": 8}
    model = models.ResNet(Bottleneck, layers, 5, **settings).double()
    assert model.layer1[0].conv2.weight.shape == (16, 4, 3, 3)
    assert model.layer4[0].conv2.dilation == (2, 2)
    compare(model, resnet(layers, True, groups=4, dilate=dilate), (2, 3, 40, 40), train=True)


@TRAIN_AND_EVAL
@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
def test_resnet20_for_cifar(v2, train):
    model = models.resnet20(preactivation=v2).double()
    compare(model, resnet([3, 3, 3], shortcut="A", small=True, v2=v2), (3, 3, 32, 32), train)


def test_resnet50_at_its_own_size(quick_init):
    compare(models.resnet50().double(), resnet([3, 4, 6, 3], bottleneck=True), (1, 3, 224, 224), True, tolerance=1e-8)


@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("bottleneck", [False, True], ids=["basic", "bottleneck"])
def test_zero_init_makes_each_block_the_identity_and_lets_it_learn(bottleneck, v2):
    block = ((BasicBlock, PreActBasicBlock), (Bottleneck, PreActBottleneck))[bottleneck][v2]
    network = models.ResNetV2 if v2 else models.ResNet
    model = network(block, [2, 2], 5, zero_init_residual=True, width=8, small_input=True)
    x = mg.rand(2, 8 * block.expansion, 6, 6)
    np.testing.assert_array_equal(model.layer1[1](x).numpy(force=True), x.numpy())
    model(mg.randn(2, 3, 8, 8)).sum().backward()
    assert np.abs(getattr(model.layer1[1], block.last).weight.grad.numpy()).max() > 0


def test_resnet_refuses_what_it_has_not():
    with pytest.raises(ValueError, match="shortcut must be 'A', 'B' or 'C', but got 'D'"):
        models.resnet18(shortcut="D")
    with pytest.raises(ValueError, match="must have 3 elements"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="BasicBlock has groups=1"):
        models.resnet18(groups=2)


def efficientnet(stages):
    def reference(w, x):
        F = w.functions

        def conv(x, name, activate=True, **settings):
            x = w.bn(w.conv(x, f"{name}.0", **settings), f"{name}.1")
            return F.silu(x) if activate else x

        x = conv(x, "features.0", stride=2, padding=1)
        for i, (expand, kernel, stride, _, _, blocks) in enumerate(stages, 1):
            for j in range(blocks):
                name, place, y = f"features.{i}.{j}.block", 0, x
                if expand != 1:
                    y, place = conv(y, f"{name}.0"), 1
                step = stride if j == 0 else 1
                y = conv(y, f"{name}.{place}", stride=step, padding=kernel // 2, groups=y.shape[1])
                gate = F.silu(w.conv(y.mean((2, 3), keepdim=True), f"{name}.{place + 1}.fc1"))
                y = y * w.conv(gate, f"{name}.{place + 1}.fc2").sigmoid()
                y = conv(y, f"{name}.{place + 2}", activate=False)
                x = y + x if y.shape == x.shape else y
        x = conv(x, f"features.{len(stages) + 1}")
        return w.linear(x.mean((2, 3)), "classifier.1")

    return reference


B0 = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
      (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]  # fmt: skip


@TRAIN_AND_EVAL
def test_efficientnet_b0(train):
    model = models.efficientnet_b0(num_classes=7, stochastic_depth_prob=0.0).double()
    compare(model, efficientnet(B0), (3, 3, 65, 48), train, tolerance=1e-8)


def densenet(blocks):
    torch = pytest.importorskip("torch")

    def reference(w, x):
        F = w.functions

        def step(x, name, number, **settings):
            return w.conv(F.relu(w.bn(x, f"{name}norm{number}")), f"{name}conv{number}", **settings)

        x = F.relu(w.bn(w.conv(x, "features.conv0", stride=2, padding=3), "features.norm0"))
        x = F.max_pool2d(x, 3, 2, 1)
        for i, depth in enumerate(blocks, 1):
            for j in range(1, depth + 1):
                name = f"features.denseblock{i}.denselayer{j}."
                x = torch.cat([x, step(step(x, name, 1), name, 2, padding=1)], 1)
            if i < len(blocks):
                x = F.avg_pool2d(step(x, f"features.transition{i}.", ""), 2)
        return w.linear(F.relu(w.bn(x, "features.norm5")).mean((2, 3)), "classifier")

    return reference


# In training a checkpoint's second forward pass counts its batch again in the running statistics, as in PyTorch.
@pytest.mark.parametrize(("memory_efficient", "train"), [(False, True), (False, False), (True, False)])
def test_densenet(memory_efficient, train):
    model = models.DenseNet(4, (2, 3, 2), 6, num_classes=5, memory_efficient=memory_efficient).double()
    compare(model, densenet((2, 3, 2)), (3, 3, 65, 50), train, tolerance=1e-8)


def test_densenet_in_less_memory_has_the_same_gradients():
    mg.manual_seed(0)
    model = models.DenseNet(4, (2, 2), 6, num_classes=5).double()
    x = mg.randn(2, 3, 40, 40, dtype=mg.float64)
    gradients = []
    for memory_efficient in (False, True):
        for layer in model.modules():
            if hasattr(layer, "memory_efficient"):
                layer.memory_efficient = memory_efficient
        model.zero_grad()
        model(x).square().sum().backward()
        gradients.append([parameter.grad.numpy() for parameter in model.parameters()])
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-9, atol=1e-11)


def test_densenets_of_2017_call_their_layers_otherwise(tmp_path):
    ours = models.densenet121(num_classes=3)
    old = {re.sub(r"(norm|conv)([12])\.", r"\1.\2.", name): value for name, value in ours.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    mg.save(old, tmp_path / "old.pth")
    back = models.densenet121(weights=tmp_path / "old.pth", num_classes=3)
    assert all(mg.equal(value, back.state_dict()[name]) for name, value in ours.state_dict().items())


def mobilenet(blocks, kernels, activations, gates, eps, v3):
    """`blocks` are (stride, whether it widens); names differ between the versions."""

    def reference(w, x):
        F = w.functions

        def conv(x, name, activation, **settings):
            x = w.bn(w.conv(x, f"{name}.0", **settings), f"{name}.1", eps)
            return activation(x) if activation else x

        ends = F.hardswish if v3 else F.relu6
        x = conv(x, "features.0", ends, stride=2, padding=1)
        for i, (stride, widens) in enumerate(blocks):
            name, place, y = f"features.{i + 1}.{'block' if v3 else 'conv'}", 0, x
            if widens:
                y, place = conv(y, f"{name}.0", activations[i]), 1
            settings = {"stride": stride, "padding": kernels[i] // 2, "groups": y.shape[1]}
            y, place = conv(y, f"{name}.{place}", activations[i], **settings), place + 1
            if gates[i]:
                gate = F.relu(w.conv(y.mean((2, 3), keepdim=True), f"{name}.{place}.fc1"))
                y, place = y * F.hardsigmoid(w.conv(gate, f"{name}.{place}.fc2")), place + 1
            if v3:
                y = conv(y, f"{name}.{place}", None)
            else:
                y = w.bn(w.conv(y, f"{name}.{place}"), f"{name}.{place + 1}", eps)
            x = y + x if y.shape == x.shape else y
        x = conv(x, f"features.{len(blocks) + 1}", ends).mean((2, 3))
        if not v3:
            return w.linear(x, "classifier.1")
        return w.linear(F.hardswish(w.linear(x, "classifier.0")), "classifier.3")

    return reference


@TRAIN_AND_EVAL
def test_mobilenet_v2(train):
    functions = pytest.importorskip("torch").nn.functional
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 2)]
    blocks = [(1, False), (2, True), (1, True), (2, True), (1, True)]
    reference = mobilenet(blocks, [3] * 5, [functions.relu6] * 5, [False] * 5, 1e-5, v3=False)
    model = models.MobileNetV2(7, 0.5, stages).double()
    compare(model, reference, (3, 3, 65, 48), train, tolerance=1e-8)


@TRAIN_AND_EVAL
@pytest.mark.parametrize("size", ["small", "large"])
def test_mobilenet_v3(size, train, monkeypatch):
    functions = pytest.importorskip("torch").nn.functional
    table = {"small": SMALL, "large": LARGE}[size]
    blocks = [(cnf.stride, cnf.expanded_channels != cnf.input_channels) for cnf in table]
    activations = [functions.hardswish if cnf.use_hs else functions.relu for cnf in table]
    gates = [cnf.use_se for cnf in table]
    reference = mobilenet(blocks, [cnf.kernel for cnf in table], activations, gates, 1e-3, v3=True)
    model = models.get_model(f"mobilenet_v3_{size}", num_classes=7).double()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1  # the reference's
    compare(model, reference, (3, 3, 65, 48), train, tolerance=1e-7)


@pytest.mark.parametrize(
    ("name", "width", "depth", "momentum"),
    [("b1", 1.0, 1.1, 0.1), ("b2", 1.1, 1.2, 0.1), ("b5", 1.6, 2.2, 0.01), ("b7", 2.0, 3.1, 0.01)],
)
def test_efficientnets_are_the_first_one_scaled(name, width, depth, momentum, no_init):
    model = getattr(models, f"efficientnet_{name}")()
    for stage, (_, _, _, _, channels, blocks) in zip(list(model.features)[1:-1], B0, strict=True):
        assert len(stage) == math.ceil(blocks * depth)
        out = stage[-1].block[-1][0].weight.shape[0]
        assert out % 8 == 0 and abs(out - channels * width) <= max(4, 0.1 * channels * width)
    assert model.features[0][1].momentum == momentum


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: models.DenseNet(block_config=()), "DenseNet: block_config must hold at least one block"),
        (lambda: models.MobileNetV2(inverted_residual_setting=[(1, 2)]), "MobileNetV2: .* for each stage, got"),
        (lambda: models.MobileNetV3([], 8), "MobileNetV3: .* at least one block"),
    ],
)
def test_networks_of_nothing(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_stochastic_depth_leaves_out_whole_samples_and_keeps_the_mean():
    mg.manual_seed(0)
    layer, x = StochasticDepth(0.25), mg.ones(4000, 2, 3)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert (y == y[:, :1, :1]).all()
    assert abs(y.mean() - 1) < 0.05
    assert layer.eval()(x) is x
    assert (StochasticDepth(1.0)(x).numpy() == 0).all()
    depths = [m.p for m in models.efficientnet_b0().modules() if isinstance(m, StochasticDepth)]
    np.testing.assert_allclose(depths, 0.2 * np.arange(16) / 16)


FAMILIES = {
    "lenet5": {},
    "vgg11_bn": {"small_input": True},
    "googlenet": {"num_classes": 3},
    "resnet18": {"width": 8},
    "resnet20": {"preactivation": True},
    "efficientnet_b0": {"num_classes": 3},
    "mobilenet_v2": {"num_classes": 3},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_files_go_to_pytorch_and_come_back(name, tmp_path):
    torch = pytest.importorskip("torch")
    ours = scramble(models.get_model(name, **FAMILIES[name]))
    mg.save(ours.state_dict(), tmp_path / "ours.pth")
    theirs = torch.load(tmp_path / "ours.pth", weights_only=True)
    torch.save({key: value.clone() for key, value in theirs.items()}, tmp_path / "theirs.pth")
    extra = {"aux_logits": True} if name == "googlenet" else {}
    back = models.get_model(name, weights=tmp_path / "theirs.pth", **FAMILIES[name], **extra)
    assert list(back.state_dict()) == list(theirs)
    for key, value in ours.state_dict().items():
        np.testing.assert_array_equal(theirs[key].numpy(), value.numpy(), strict=True)
        np.testing.assert_array_equal(back.state_dict()[key].numpy(), value.numpy(), strict=True)


def test_a_pytorch_module_takes_our_file_and_gives_its_own(tmp_path):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layers, channels = [], 1
            for layer in narrow("A"):
                if layer == "M":
                    layers.append(torch.nn.MaxPool2d(2))
                else:
                    layers += [
                        torch.nn.Conv2d(channels, layer, 3, padding=1),
                        torch.nn.BatchNorm2d(layer),
                        torch.nn.ReLU(),
                    ]
                    channels = layer
            self.features = torch.nn.Sequential(*layers)
            sizes = [torch.nn.Linear(channels, 512), torch.nn.Linear(512, 512), torch.nn.Linear(512, 5)]
            between = [torch.nn.ReLU(), torch.nn.Dropout()]
            self.classifier = torch.nn.Sequential(sizes[0], *between, sizes[1], *between, sizes[2])

        def forward(self, x):
            return self.classifier(self.features(x).flatten(1))

    ours, theirs = models.VGG(make_layers(narrow("A"), True, 1), 5, small_input=True), Net()
    x = np.random.default_rng(0).normal(size=(2, 1, 32, 32)).astype(np.float32)

    def assert_equal():
        expected = theirs.eval()(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(ours.eval()(mg.from_numpy(x)).numpy(force=True), expected, rtol=1e-4, atol=1e-5)

    mg.save(scramble(ours).state_dict(), tmp_path / "ours.pth")
    theirs.load_state_dict(torch.load(tmp_path / "ours.pth", weights_only=True))
    assert_equal()
    theirs = Net()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours.load_state_dict(mg.load(tmp_path / "theirs.pth"))
    assert_equal()


def test_weights_must_be_a_file(tmp_path):
    for wrong in ("DEFAULT", tmp_path / "none.pth", 3):
        with pytest.raises(ValueError, match="weights must be a .safetensors, .pt or .pth file that exists"):
            models.lenet5(weights=wrong)


def test_networks_of_any_stages():
    model = models.EfficientNet([MBConvConfig(1, 3, 1, 8, 8, 2)], 0.0, num_classes=4, last_channel=12, in_channels=1)
    assert model(mg.randn(2, 1, 9, 9)).shape == (2, 4)
    with pytest.raises(ValueError, match="at least one stage"):
        models.EfficientNet([], 0.0)
