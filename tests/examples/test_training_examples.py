"""The examples that train with Trainer, on a few pictures, and the one that only looks at gradients."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad.vision.datasets import FashionMNISTSample
from minigrad.vision.models import resnet20, vgg11_bn

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Runs an example's `main` in an empty folder, on a few pictures of the sample."""

    class Few(FashionMNISTSample):
        def __init__(self, train, transform):
            super().__init__(train, transform)
            count = 160 if train else 100
            self.data, self.targets = self.data[:count], self.targets[:count]

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    shared = importlib.import_module("fashion_mnist")
    monkeypatch.setattr(shared, "FashionMNISTSample", Few)
    threads = mg.get_num_threads()

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        importlib.import_module(name).main()

    yield run
    mg.set_num_threads(threads)


@pytest.mark.parametrize(
    ("network", "build"),
    [
        ("vgg11", lambda: vgg11_bn(num_classes=10, in_channels=1, small_input=True)),
        ("resnet20", lambda: resnet20(num_classes=10, in_channels=1)),
    ],
)
def test_fashion_mnist_leaves_figures_a_picture_and_weights(example, tmp_path, capsys, network, build):
    run_name = f"{network}-fashion-mnist"
    arguments = "--data", "sample", "--epochs", "1", "--threads", "2", "--results", "results"
    example(f"{network}_fashion_mnist", *arguments)
    assert "test accuracy after 1 epochs" in capsys.readouterr().out.splitlines()[-1]
    figures = json.loads((tmp_path / "results" / f"{run_name}.json").read_text())
    assert figures["epochs"] == len(figures["history"]) == 1 and figures["machine"]["threads"] == 2
    assert figures["test_images"] == 100
    assert figures["test_accuracy"] == pytest.approx(figures["history"][-1]["validation_top1"], abs=0.02)
    assert (tmp_path / "results" / f"{run_name}.png").read_bytes().startswith(b"\x89PNG")
    build().load_state_dict(mg.load(tmp_path / "runs" / run_name / "best.safetensors"))


def test_fashion_mnist_resumes(example, tmp_path, capsys):
    few = "--data", "sample", "--threads", "2"
    with pytest.raises(SystemExit):
        example("resnet20_fashion_mnist", *few, "--resume")
    assert "start one without --resume first" in capsys.readouterr().err
    example("resnet20_fashion_mnist", *few, "--epochs", "1")
    with pytest.raises(SystemExit, match="was made with"):  # another schedule
        example("resnet20_fashion_mnist", *few, "--epochs", "2", "--resume")
    example("resnet20_fashion_mnist", *few, "--epochs", "1", "--resume")
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{100 * last_accuracy(tmp_path):.2f}% test accuracy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "must be at least 1, got 0"),
        (["--lr", "0"], "more than 0"),
        (["--data", "all"], "choose from"),
    ],
)
def test_wrong_arguments_end_in_one_line_and_leave_nothing(example, tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        example("vgg11_fashion_mnist", *arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def last_accuracy(folder):
    return json.loads((folder / "runs/resnet20-fashion-mnist/resnet20-fashion-mnist.json").read_text())["test_accuracy"]


def test_vanishing_gradients_makes_its_point(example, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importlib.import_module("vanishing_gradients"), "DEPTHS", (5, 20))
    example("vanishing_gradients", "--output", "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    lines = [line for line in capsys.readouterr().out.splitlines() if "by depth" in line]
    first, last = zip(*(map(float, line.rpartition("20: ")[2].split(" .. ")) for line in lines), strict=True)
    sigmoid, sigmoid_residual, relu, _, _, norm_residual, large, by_norm, by_value = range(9)
    assert first[sigmoid] < 1e-8 < 1e-2 < last[sigmoid]
    assert first[sigmoid_residual] > 1e-2 and 1e-2 < first[relu] < 10 and 1e-2 < first[norm_residual] < 10
    assert first[large] > 100 and first[by_norm] < 1
    assert first[by_value] <= 0.01 * (9 * 16 * 16) ** 0.5 + 0.05


def test_imagefolder_learns_textures_with_frozen_features(example, tmp_path, capsys):
    rng = np.random.default_rng(0)
    waves = {"columns": lambda y, x: x, "rows": lambda y, x: y, "checks": lambda y, x: 8 * ((x // 4 + y // 4) % 2)}
    for name, wave in waves.items():
        (tmp_path / "textures" / name).mkdir(parents=True)
        for index in range(20):
            y, x = np.mgrid[:40, :48]
            light = np.sin(wave(y, x) * 0.8 + rng.uniform(0, 6))[..., None] * rng.uniform(40, 100, 3)
            pixels = (128 + light + rng.normal(0, 10, (40, 48, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "textures" / name / f"{index}.{'jpg' if index % 2 else 'png'}")
    (tmp_path / "textures" / "rows" / "broken.jpg").write_bytes(b"no picture")
    mg.manual_seed(0)
    network = resnet20()
    mg.save(network.state_dict(), "trained.pth")
    small = "--model", "resnet20", "--weights", "trained.pth", "--size", "32", "--workers", "0", "--epochs", "8"
    with pytest.warns(UserWarning, match="1 of 61 files"):
        example("imagefolder", "textures", *small, "--lr", "0.05", "--batch-size", "16")
    words = capsys.readouterr().out.splitlines()
    assert words[-5].startswith("checks") and "right" in words[-5]
    assert float(words[-2].split("%")[0].split()[-1]) > 60, words
    kept = mg.load(tmp_path / "runs" / "imagefolder" / "best.safetensors")
    for key, value in network.state_dict().items():
        if not key.startswith("fc"):
            assert mg.equal(kept[f"features.{key}"], value), key  # also the running means
    for wrong, words in (["--strict"], "1 of 61 files"), (["--model", "resnet19"], "did you mean resnet1"):
        with pytest.raises(SystemExit, match=f"^imagefolder.py: .*{words}"):
            example("imagefolder", "textures", *small, *wrong)
