"""Checks of layers' constructor arguments."""

from __future__ import annotations


def check_positive(layer: str, **sizes: int) -> None:
    """ValueError unless every size is an int of at least 1: a layer without features cannot be meant."""
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"{layer}: {name} must be an int, got {size!r}")
        if size < 1:
            raise ValueError(f"{layer}: {name} must be at least 1, got {size}")
