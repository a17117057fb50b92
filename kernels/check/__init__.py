"""Checks of values that lie on a GPU."""
