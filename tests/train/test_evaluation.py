"""Evaluation at several scales and on whole pictures, against averages taken picture by picture in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, Dataset, TensorDataset
from minigrad.train import recipes
from minigrad.train.evaluation import evaluate_views, pictures_and_labels, predict
from minigrad.vision import transforms as T
from minigrad.vision.models import VGG, resnet20
from minigrad.vision.models.vgg import make_layers


class Photographs(Dataset):
    """Pillow images of different sizes."""

    def __init__(self):
        rng = np.random.default_rng(0)
        sizes = [(40, 44), (44, 40), (40, 44), (52, 40), (40, 40), (44, 40), (40, 52)]
        self.pictures = [Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]
        self.labels = [3, 1, 0, 5, 2, 4, 6]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.pictures[index], self.labels[index]


@pytest.fixture(scope="module")
def network():
    mg.manual_seed(0)
    layers = make_layers([4, "M", 8, "M", 8, "M", 8, "M", 8, "M"])
    return VGG(layers, num_classes=7, small_input=True)


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def one_by_one(network, transforms, dense, flip):
    """The probabilities, each picture alone, float64 averages."""
    network.eval()
    rows = []
    for picture, _ in Photographs():
        views = []
        for transform in transforms:
            array = transform(picture).array[None]
            for image in (array, array[..., ::-1].copy()) if flip else (array,):
                x = mg.tensor(image)
                with mg.no_grad():
                    scores = network.score_map(x).array.mean((2, 3)) if dense else network(x).array
                views.append(softmax(scores[0].astype(np.float64)))
        rows.append(np.mean(views, axis=0))
    return np.array(rows)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(40,), (32, 48, 64)])
def test_probabilities_are_averaged_over_scales_places_and_mirror_images(network, dense, flip, scales):
    pixels = recipes.PICTURES["imagenet"]
    recipe = replace(recipes.get("vgg"), size=32)
    views = [recipes.evaluation_transform(recipe, pixels, scale, whole=dense) for scale in scales]
    figures = evaluate_views(network, Photographs(), views, dense=dense, flip=flip, batch_size=3)
    expected = one_by_one(network, views, dense, flip)
    labels = np.array(Photographs().labels)
    ranks = (expected > expected[np.arange(7), labels][:, None]).sum(1)
    assert figures["samples"] == 7
    assert figures["top1"] == pytest.approx(np.mean(ranks == 0))
    assert figures["top5"] == pytest.approx(np.mean(ranks < 5))
    assert figures["loss"] == pytest.approx(-np.log(expected[np.arange(7), labels]).mean(), rel=1e-5)


def test_pictures_of_different_sizes_keep_their_order(network):
    view = T.ToTensor()
    samples = [(view(picture), label) for picture, label in Photographs()]
    probabilities, labels = predict(network, [pictures_and_labels(samples[:5]), pictures_and_labels(samples[5:])])
    np.testing.assert_array_equal(labels.array, Photographs().labels)
    np.testing.assert_allclose(probabilities.array, one_by_one(network, [view], False, False), rtol=1e-5)


def test_predict_takes_plain_loaders_and_leaves_the_mode_as_it_was(network):
    images = mg.randn(10, 3, 32, 32)
    network.train()
    probabilities, labels = predict(network, DataLoader(TensorDataset(images, mg.arange(10)), 4))
    assert network.training and not probabilities.requires_grad
    network.eval()
    np.testing.assert_allclose(probabilities.array, network(images).softmax(1).detach().array, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(labels.array, np.arange(10))


def test_what_cannot_be_evaluated_says_so(network):
    with pytest.raises(TypeError, match="score_map, which ResNet does not have"):
        predict(resnet20(), [], dense=True)
    with pytest.raises(ValueError, match="no batch"):
        predict(network, [])
    with pytest.raises(ValueError, match="at least one transform"):
        evaluate_views(nn.Linear(2, 2), Photographs(), [])
