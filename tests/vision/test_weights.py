"""Published weights: their names, where they are looked for, and what a download may be."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest

import minigrad as mg
from minigrad import nn
from minigrad.vision import models, transforms
from minigrad.vision.models import published
from minigrad.vision.models.weights import Weights, WeightsEnum


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches of PyTorch and minigrad."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "torch/hub/checkpoints", tmp_path / "cache/minigrad/checkpoints"


class Small(nn.Module):
    """Stands for a network of a thousand classes, or of so many as one asks for."""

    def __init__(self, num_classes=1000):
        super().__init__()
        self.fc = nn.Linear(1, num_classes)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A model with published weights, the folder that serves as its server, and the enumeration."""
    monkeypatch.setattr(models.registry, "MODELS", dict(models.registry.MODELS))
    monkeypatch.setattr(published, "PUBLISHED", dict(published.PUBLISHED))
    monkeypatch.setattr(models.registry, "PUBLISHED", published.PUBLISHED)
    server = tmp_path / "server"
    server.mkdir()
    mg.save(Small().state_dict(), server / "file.pth")
    digest = hashlib.sha256((server / "file.pth").read_bytes()).hexdigest()
    (server / "file.pth").rename(server / f"small-{digest[:8]}.pth")

    class Small_Weights(WeightsEnum):
        FIRST = Weights(f"{server.as_uri()}/small-{digest[:8]}.pth", list, {"categories": ["x"] * 1000})
        DAMAGED = Weights(f"{server.as_uri()}/small-00000000.pth", list, {"categories": ["x"] * 1000})
        DEFAULT = FIRST

    (server / "small-00000000.pth").write_bytes(b"something else")
    published.PUBLISHED["small"] = Small_Weights

    @models.register_model((1, 1, 1), 2000, "nobody")
    def small(*, weights=None, **kwargs):
        return models.weights.load_weights(Small(**kwargs), weights)

    return small, server, Small_Weights


def test_published_weights_are_those_of_the_models():
    assert set(published.PUBLISHED) <= set(models.list_models()) and len(published.CLASSES) == 1000
    for name, kind in published.PUBLISHED.items():
        assert getattr(models, kind.__name__) is models.get_model_weights(name) is kind
        for weights in kind:
            assert weights.meta["num_params"] == models.registry.MODELS[name].parameters or name == "googlenet"
            assert models.get_weight(repr(weights)) is weights
            assert pickle.loads(pickle.dumps(weights)) is copy.deepcopy(weights) is weights


def test_transforms_are_those_of_the_weights():
    prepare = models.EfficientNet_B0_Weights.DEFAULT.transforms()
    assert prepare.interpolation == transforms.InterpolationMode.BICUBIC
    prepare = models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    image = transforms.ToPILImage()((mg.rand(3, 260, 300) * 255).byte())
    by_hand = transforms.Compose([
        transforms.Resize(232), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])  # fmt: skip
    assert mg.allclose(prepare(image), by_hand(image)) and "crop_size=[224]" in repr(prepare)
    assert mg.allclose(prepare(transforms.PILToTensor()(image)), prepare(image), atol=0.02)


def test_downloads_are_whole_and_checked(small, caches):
    build, _, kind = small
    net = build(weights="DEFAULT")
    name = kind.FIRST.url.rpartition("/")[2]
    assert [path.name for path in caches[1].iterdir()] == [name] and not caches[0].exists()
    assert mg.equal(net.fc.weight, kind.FIRST.get_state_dict()["fc.weight"])
    with pytest.raises(RuntimeError, match=r"small-00000000.pth could not be downloaded"):
        build(weights=kind.DAMAGED, progress=False)
    assert [path.name for path in caches[1].iterdir()] == [name]  # no part of it either


def test_caches_come_before_the_network(small, caches, tmp_path):
    _, server, kind = small
    name = kind.FIRST.url.rpartition("/")[2]
    for folder in (caches[1], caches[0], tmp_path / "own"):  # each is looked at before those that came before it
        folder.mkdir(parents=True)
        (folder / name).write_bytes((server / name).read_bytes())
        found = kind.FIRST.file(model_dir=tmp_path / "own" if folder.name == "own" else None)
        assert found == folder / name
    (server / name).unlink()
    assert set(kind.FIRST.get_state_dict()) == {"fc.weight", "fc.bias"}


def test_ways_to_say_weights(small, caches, tmp_path):
    build, _, kind = small
    for weights in (kind.FIRST, "FIRST", "Small_Weights.FIRST", kind.FIRST.file(), str(kind.FIRST.file())):
        assert mg.equal(build(weights=weights).fc.bias, kind.FIRST.get_state_dict()["fc.bias"])
    with pytest.warns(UserWarning, match="'pretrained' is deprecated .* means weights=Small_Weights.FIRST"):
        assert mg.equal(build(pretrained=True).fc.bias, build(weights="DEFAULT").fc.bias)
    with pytest.warns(UserWarning, match="means weights=None"):
        assert build(False, num_classes=3).fc.out_features == 3
    assert build(num_classes=3).fc.out_features == 3 and build().fc.out_features == 1000


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"weights": "SECOND"}, ValueError, "'SECOND' is neither a file that exists nor one of Small_Weights: FIRST"),
        ({"weights": 3}, TypeError, "expected one of Small_Weights, a name or a file, got 3"),
        ({"weights": models.ResNet18_Weights.DEFAULT}, TypeError, "expected one of Small_Weights"),
        (
            {"weights": "DEFAULT", "num_classes": 3},
            ValueError,
            "small: Small_Weights.FIRST has num_classes=1000, but got",
        ),
    ],
)
def test_bad_weights(small, caches, arguments, error, words):
    with pytest.raises(error, match=words):
        small[0](**arguments)


def test_names():
    assert models.get_model_builder("resnet18") is models.resnet18
    assert models.list_models(include="vgg1*", exclude=["*_bn", "*c"]) == [
        "vgg11",
        "vgg11_lrn",
        "vgg13",
        "vgg16",
        "vgg19",
    ]
    with pytest.raises(ValueError, match="no weights are published for 'lenet5'"):
        models.get_model_weights(models.lenet5)
    with pytest.raises(ValueError, match="no weights called 'ResNet18_Weights.V9'"):
        models.get_weight("ResNet18_Weights.V9")
    with pytest.raises(ValueError, match="Unknown model"):
        models.get_model_builder("resnet19")
