"""Testing as the papers do: at one scale or several, on a crop or the whole picture, and mirrored too.

Simonyan and Zisserman 2014, section 3.2 and 4. A picture is looked at in several ways, and the probabilities that
come of it are averaged: over scales (the shorter side made Q pixels long, for several Q), over the picture and its
mirror image, and in dense evaluation over all places where the network fits in the whole picture.

    views = [recipes.evaluation_transform(recipe, pictures, Q, whole=True) for Q in recipe.test_scales]
    print(evaluate_views(model, ImageFolder("pictures/test"), views, dense=True, flip=True)["top5"])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad import nn
from minigrad.autograd import no_grad
from minigrad.data import DataLoader, Dataset
from minigrad.nn import functional as F
from minigrad.ops.creation import tensor
from minigrad.ops.joining import cat, stack
from minigrad.tensor import Tensor
from minigrad.train.metrics import Metrics


@no_grad()
def predict(
    model: nn.Module, loader: Iterable[Any], *, dense: bool = False, flip: bool = False
) -> tuple[Tensor, Tensor]:
    """The probabilities (N, C) and the labels (N,) of all that a loader gives, on the CPU.

    `images` of a batch are a tensor (N, C, H, W), or a list of pictures (C, H, W) of different sizes. With `dense`
    the model's `score_map` is averaged over its places; with `flip` the probabilities of each picture and of its
    mirror image. The model is in evaluation mode meanwhile.
    Errors: TypeError for `dense` where the model has no `score_map`; ValueError for a loader without a batch.
    """
    if dense and not hasattr(model, "score_map"):
        raise TypeError(
            f"predict: dense evaluation needs a score_map, which {type(model).__name__} does not have; a network that "
            "ends in global average pooling is dense without it, given whole pictures"
        )
    device = next(p.device for p in model.parameters())
    training = model.training
    model.eval()
    probabilities, labels = [], []
    try:
        for images, targets in loader:
            if isinstance(images, Tensor):
                probabilities.append(_probabilities(model, images.to(device), dense, flip).cpu())
            else:
                rows: dict[int, Tensor] = {}
                for places in _by_size(images):
                    group = stack([images[place] for place in places]).to(device)
                    rows |= zip(places, _probabilities(model, group, dense, flip).cpu(), strict=True)
                probabilities.append(stack([rows[place] for place in range(len(images))]))
            labels.append(targets)
    finally:
        model.train(training)
    if not labels:
        raise ValueError("predict: the loader gave no batch")
    return cat(probabilities), cat(labels)


def evaluate_views(
    model: nn.Module,
    dataset: Dataset[Any],
    transforms: Sequence[Callable[[Any], Tensor]],
    *,
    dense: bool = False,
    flip: bool = False,
    batch_size: int = 32,
    num_workers: int = 0,
) -> dict[str, Any]:
    """The metrics (`Metrics.compute`) of probabilities that are averaged over `transforms`, the views of a picture.

    The items of `dataset` are (picture, label), without a transform of its own. Pictures of one batch that differ in
    size go through the network one size after the other. "loss" is that of the averaged probabilities.
    """
    if not transforms:
        raise ValueError("evaluate_views: expected at least one transform")
    total: Any = 0.0
    for transform in transforms:
        loader = DataLoader(
            _View(dataset, transform), batch_size, num_workers=num_workers, collate_fn=pictures_and_labels
        )
        probabilities, labels = predict(model, loader, dense=dense, flip=flip)
        total = total + probabilities
    logits = (total / len(transforms)).log()
    metrics = Metrics(full=True)
    metrics.add(F.nll_loss(logits, labels), logits, labels)
    return metrics.compute()


def pictures_and_labels(samples: list[tuple[Tensor, int]]) -> tuple[list[Tensor], Tensor]:
    """A batch of pictures that may differ in size: a list of them, and their labels as a tensor."""
    return [picture for picture, _ in samples], tensor([label for _, label in samples])


class _View(Dataset[Any]):
    """A data set whose pictures are looked at in one way."""

    def __init__(self, dataset: Dataset[Any], transform: Callable[[Any], Tensor]):
        self.dataset, self.transform = dataset, transform

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture, label = self.dataset[index]
        return self.transform(picture), label


def _by_size(images: list[Tensor]) -> list[list[int]]:
    """The places of the pictures of each size."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(images):
        places.setdefault(picture.shape, []).append(place)
    return list(places.values())


def _probabilities(model: Any, images: Tensor, dense: bool, flip: bool) -> Tensor:
    views = [images, images.flip(3)] if flip else [images]
    scores = [model.score_map(view).mean(dim=(2, 3)) if dense else model(view) for view in views]
    return stack([score.softmax(dim=1) for score in scores]).mean(dim=0)
