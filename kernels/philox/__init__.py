"""Philox4x32-10: random numbers as a pure function of seed and position."""
