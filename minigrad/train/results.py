"""The results of a finished run: figures as JSON, and a plot."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import minigrad
from minigrad.serialize.files import atomic_write
from minigrad.study import plot_training
from minigrad.tensor import Tensor
from minigrad.train.evaluation import predict
from minigrad.train.recipes import Recipe
from minigrad.train.trainer import Trainer


def write_results(
    path: str | os.PathLike[str], trainer: Trainer, recipe: Recipe, test_loader: Iterable[Any], images: Tensor
) -> dict[str, Any]:
    """Write `path`.json and `path`.png after `trainer.fit`, and return what the JSON holds.

    The accuracy is that of the last weights: to choose the best epoch by the test set would be to learn from it. In
    the picture, curves, confusion matrix and the most confident mistakes, with `images` (N, H, W) as they were before
    any transform, in `test_loader`'s order.
    """
    probabilities, labels = predict(trainer.model, test_loader)
    accuracy = (probabilities.argmax(dim=1) == labels).double().mean().item()
    history = trainer.history
    results = {
        "name": trainer.name,
        "test_accuracy": accuracy,
        "test_images": len(labels),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "epochs": len(history),
        "seconds": sum(row["seconds"] for row in history),
        "seconds_per_epoch": median(row["seconds"] for row in history),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": minigrad.get_num_threads(),
            "device": str(trainer.device),
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        },
        "recipe": asdict(recipe) | {"schedule": {type(recipe.schedule).__name__: asdict(recipe.schedule)}},
        "history": history,
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path.with_suffix(".json")) as file:
        file.write((json.dumps(results, indent=1) + "\n").encode())
    title = f"{trainer.name}: {accuracy:.2%} of {len(labels):,} test images named right"
    picture = path.with_suffix(".png")
    plot_training(picture, history, probabilities, labels, images, trainer.classes or [], title)
    return results


def _processor() -> str:
    """The processor's name, from Linux's /proc/cpuinfo where there is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
