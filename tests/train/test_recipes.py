"""Recipes: the papers' figures, the schedules step by step, and transforms that make what the networks see."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad import nn
from minigrad.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from minigrad.train import recipes
from minigrad.train.recipes import PICTURES, RECIPES
from minigrad.vision import transforms as T
from minigrad.vision.datasets import FashionMNISTSample
from minigrad.vision.models import GoogLeNet, GoogLeNetOutputs, get_model, list_models

PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8))


def rates(name, steps_per_epoch, steps, epochs=None):
    """The learning rate before each step, as Trainer drives the schedule."""
    recipe = recipes.get(name)
    training = recipes.build(replace(recipe, epochs=epochs or recipe.epochs), nn.Linear(2, 2), steps_per_epoch)
    found = []
    for step in range(1, steps + 1):
        found.append(training.optimizer.param_groups[0]["lr"])
        training.optimizer.step()
        if training.schedule_by == "step" or step % steps_per_epoch == 0:
            training.scheduler.step()
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "batch", "rate", "momentum", "decay", "epochs"),
    [
        ("lenet", 1, 0.0005 / 0.02, 0.0, 0.0, 20),
        ("alexnet", 128, 0.01, 0.9, 5e-4, 90),
        ("vgg", 256, 0.01, 0.9, 5e-4, 74),
        ("googlenet", 32, 0.01, 0.9, 2e-4, 250),
        ("resnet", 256, 0.1, 0.9, 1e-4, 90),
        ("resnet-cifar", 128, 0.1, 0.9, 1e-4, 164),
        ("resnet110-cifar", 128, 0.1, 0.9, 1e-4, 164),
    ],
)
def test_the_papers_figures(name, batch, rate, momentum, decay, epochs):
    recipe = recipes.get(name)
    assert (recipe.batch_size, recipe.lr, recipe.momentum, recipe.weight_decay) == (batch, rate, momentum, decay)
    assert recipe.epochs == epochs and not recipe.nesterov
    assert recipe.source.startswith(("LeCun", "Krizhevsky", "Simonyan", "Szegedy", "He,"))
    (group,) = recipes.build(recipe, nn.Linear(2, 2), 10).optimizer.param_groups
    assert (group["momentum"], group["weight_decay"]) == (momentum, decay)


def test_recipes_are_data():
    with pytest.raises(FrozenInstanceError):
        recipes.get("vgg").lr = 1.0
    for recipe in RECIPES.values():
        assert recipe.source and getattr(recipe.schedule, "epochs", recipe.epochs) == recipe.epochs


def test_stairs_are_the_papers():
    by_epoch = rates("resnet", 2, 180)
    np.testing.assert_allclose(by_epoch, np.repeat([0.1, 0.01, 0.001], 60))
    lenet = rates("lenet", 1, 20)
    np.testing.assert_allclose(lenet * 0.02, np.repeat([5e-4, 2e-4, 1e-4, 5e-5, 1e-5], [2, 3, 3, 4, 8]))
    googlenet = rates("googlenet", 1, 24)
    np.testing.assert_allclose(googlenet, np.repeat([0.01, 0.01 * 0.96, 0.01 * 0.96**2], 8))


def test_cifars_stairs_are_counted_in_steps_and_110_layers_warm_up():
    recipe = recipes.get("resnet-cifar")
    assert recipe.epochs * -(-50_000 // recipe.batch_size) >= 64_000
    for name, expected in (("resnet-cifar", 0.1), ("resnet110-cifar", 0.01)):
        schedule = recipes.get(name).schedule
        assert schedule.unit == "step"
        shares = [0.1 * schedule.share(step) for step in (0, 399, 400, 31_999, 32_000, 47_999, 48_000, 63_999)]
        np.testing.assert_allclose(shares, [expected, expected, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_another_number_of_epochs_runs_through_the_same_schedule():
    np.testing.assert_allclose(rates("resnet", 4, 36, epochs=9), np.repeat([0.1, 0.01, 0.001], 12))
    short = rates("resnet110-cifar", 391, 391, epochs=1)
    assert recipes.build(replace(recipes.get("vgg"), epochs=30), nn.Linear(2, 2), 1).scheduler.patience == 2
    assert short[0] == pytest.approx(0.01) and short[3] == pytest.approx(0.1) and short[-1] == pytest.approx(0.001)


def test_plateau_divides_by_ten_when_accuracy_stops_rising():
    training = recipes.build(recipes.get("vgg"), nn.Linear(2, 2), 10)
    assert isinstance(training.scheduler, ReduceLROnPlateau) and training.schedule_by == "epoch"
    found = []
    for accuracy in [0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.4]:
        training.scheduler.step(accuracy)
        found.append(training.optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(found, [0.01] * 8 + [0.001] * 2)


def test_one_cycle_ends_with_the_last_step():
    training = recipes.build(replace(recipes.get("quick-vgg"), epochs=3), nn.Linear(2, 2), 47)
    assert isinstance(training.scheduler, OneCycleLR) and training.schedule_by == "step"
    found = rates("quick-vgg", 47, 3 * 47, epochs=3)
    assert found.max() == pytest.approx(0.05, rel=1e-3) and found[-1] < 1e-6


@pytest.mark.parametrize("name", list(RECIPES))
def test_transforms_make_pictures_of_the_networks_size(name):
    mg.manual_seed(0)
    recipe = recipes.get(name)
    pixels = PICTURES["fashion-mnist" if recipe.size in (None, 32) else "imagenet"]
    side = recipe.size or 28
    for transform in recipes.transforms(recipe, pixels):
        if pixels.side is None:
            assert transform(PHOTOGRAPH).shape == (3, side, side)
        else:
            grey = PHOTOGRAPH.convert("L").resize((28, 28))
            assert transform(grey).shape == (1, side, side)
            assert transform(np.zeros((5, 28, 28, 1), np.uint8)).shape == (5, 1, side, side)


def test_vggs_pictures():
    for_training, for_test = recipes.transforms(recipes.get("vgg"), PICTURES["imagenet"])
    jitter, crop = for_training.transforms[:2]
    assert (jitter.min_size, jitter.max_size, crop.size) == (256, 513, (224, 224))  # 513 is not drawn any more
    grey = Image.new("RGB", (400, 400), (124, 116, 104))
    assert np.abs(for_test(grey).array).max() < 0.6  # only the mean is subtracted, on the scale of 0 to 255
    assert recipes.get("vgg").test_scales == (384, 256, 512)
    whole = recipes.evaluation_transform(recipes.get("vgg"), PICTURES["imagenet"], 256, whole=True)
    assert whole(PHOTOGRAPH).shape == (3, 256, 341)


def test_small_pictures_are_padded_shifted_and_normalised():
    mg.manual_seed(0)
    for_training, for_test = recipes.transforms(recipes.get("quick-vgg"), PICTURES["fashion-mnist"])
    data = FashionMNISTSample(False)
    expected = np.pad(data.data.array[:, None] / 255.0, ((0, 0), (0, 0), (2, 2), (2, 2)))
    batch = data.data.array[..., None]
    np.testing.assert_allclose(for_test(batch).array, (expected - 0.286) / 0.353, atol=1e-5)
    whole = recipes.transforms(recipes.get("quick-lenet"), PICTURES["fashion-mnist"])[1](batch)
    assert abs(whole.mean().item()) < 0.05 and abs(whole.std().item() - 1) < 0.05
    drawn = {for_training(batch[:1]).array.tobytes() for _ in range(200)}
    assert 40 < len(drawn) <= 50  # 25 places, mirrored or not


@pytest.mark.parametrize(
    ("model", "small", "large"),
    [
        ("lenet5", "quick-lenet", "resnet"),
        ("alexnet2012", "quick", "alexnet"),
        ("vgg16_bn", "quick-vgg", "vgg"),
        ("googlenet", "quick", "googlenet"),
        ("resnet20", "quick-resnet", "resnet"),
        ("resnet110", "quick-resnet", "resnet"),
        ("resnet50", "quick-resnet", "resnet"),
        ("efficientnet_b0", "quick", "resnet"),
    ],
)
def test_suggestions(model, small, large):
    assert recipes.suggest(model, PICTURES["mnist"]) == small
    assert recipes.suggest(model, PICTURES["imagenet"]) == large
    recipes.transforms(recipes.get(large), PICTURES["imagenet"])  # it has a size for pictures that have none


def test_every_model_can_be_built_as_its_recipe_says(monkeypatch):
    monkeypatch.setattr(nn.init, "normal_", lambda weight, *_, **__: weight)  # only the arguments are looked at
    for model in list_models():
        if model.startswith(("vgg19", "vgg13", "resnet1", "wide")):
            continue  # as their smaller kin, and slow to fill with random numbers
        settings = recipes.get(recipes.suggest(model, PICTURES["cifar10"])).settings
        get_model(model, num_classes=10, **settings)


def test_googlenets_auxiliary_losses_count_in_training_only():
    criterion = recipes.build(recipes.get("googlenet"), nn.Linear(2, 2), 1).criterion
    mg.manual_seed(0)
    outputs, target = GoogLeNetOutputs(*mg.randn(3, 4, 10)), mg.tensor([1, 2, 3, 4])
    main, second, first = (nn.functional.cross_entropy(logits, target).item() for logits in outputs)
    assert criterion(outputs, target).item() == pytest.approx(main + 0.3 * (first + second), rel=1e-5)
    assert criterion(outputs.logits, target).item() == pytest.approx(main, rel=1e-6)
    settings = recipes.get("googlenet").settings
    assert GoogLeNet(num_classes=10, init_weights=False, **settings).dropout.p == 0.4


def test_frozen_parameters_are_left_to_themselves():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    (group,) = recipes.build(recipes.get("fine-tune"), model, 5).optimizer.param_groups
    assert [p is q for p, q in zip(group["params"], model[1].parameters(), strict=True)] == [True, True]


def test_errors_say_what_would_fit():
    with pytest.raises(ValueError, match="Unknown recipe 'vgg16'; did you mean vgg?"):
        recipes.get("vgg16")
    with pytest.raises(ValueError, match="did you mean lenet, alexnet"):
        recipes.get("xyz")
    with pytest.raises(ValueError, match="no size"):
        recipes.transforms(recipes.get("quick"), PICTURES["imagenet"])
    with pytest.raises(ValueError, match="at least 1"):
        recipes.build(recipes.get("vgg"), nn.Linear(2, 2), 0)


def test_a_recipe_can_be_varied():
    recipe = replace(recipes.get("vgg"), size=64, resize=(73, 73), lr=0.1)
    for_training, _ = recipes.transforms(recipe, PICTURES["imagenet"])
    assert isinstance(for_training.transforms[0], T.Resize) and for_training(PHOTOGRAPH).shape == (3, 64, 64)
