"""Measurements against named peers; `results/` holds what was measured, on which machine, and when."""
