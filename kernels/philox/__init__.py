"""Philox4x32-10: random numbers as a pure function of seed and position."""

from . import reference

__all__ = ["reference"]
