"""Measurements against named peers; `results/` holds what was measured, on which machine, and when."""

from benchmarks.checkout import make_importable

make_importable()
