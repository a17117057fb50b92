"""Sums of arrays."""
