"""Shapes, numbers and sizes as text."""

from __future__ import annotations


def shape_text(shape: tuple[int, ...]) -> str:
    """ "8 x 6 x 28 x 28"; "scalar" for no dimensions."""
    return " x ".join(map(str, shape)) or "scalar"


def number_text(value: float) -> str:
    """Three or four digits, with an exponent where the number is large or small."""
    return f"{value:.1e}" if value and not 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def memory_text(size: int) -> str:
    """ "151 kB"."""
    power = min(3, max(0, (len(str(size)) - 1) // 3))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB')[power]}"
