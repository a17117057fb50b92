"""CIFAR's Python version: pickles of Python 2, read as plain values. No code that they name runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize import plain_classes, plain_pickle


def read_batch(path: Path, label_key: str) -> tuple[np.ndarray, list[int]]:
    """The pixels of a batch, (N, 3 * 32 * 32), and its labels."""
    entry = _read(path)
    data, labels = entry.get("data"), entry.get(label_key)
    is_images = isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape[1:] == (3 * 32 * 32,)
    if not isinstance(data, np.ndarray) or not is_images or not isinstance(labels, list) or len(labels) != len(data):
        raise RuntimeError(f"{path} is damaged: it has no images and {label_key} that fit; delete it and get it again")
    return data, [int(label) for label in labels]


def read_names(path: Path, key: str) -> list[str]:
    """The classes' names."""
    names = _read(path).get(key)
    if not isinstance(names, list):
        raise RuntimeError(f"{path} is damaged: it has no {key}; delete it and get it again")
    return [str(name) for name in names]


def _read(path: Path) -> dict[str, Any]:
    def find(module: str, name: str) -> Any:
        found = plain_classes.find(module, name)
        if found is None:
            raise ValueError(f"it asks for {module}.{name}")
        return found

    def outside(key: Any) -> Any:
        raise ValueError("it holds what lies outside it")

    try:
        with open(path, "rb") as file:
            value = plain_pickle.read(file, find, outside)
    except Exception as error:  # broken bytes may be read as anything
        raise RuntimeError(f"{path} is damaged ({error}); delete it and get it again") from None
    if not isinstance(value, dict):
        raise RuntimeError(f"{path} is damaged: it holds no dictionary; delete it and get it again")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}
