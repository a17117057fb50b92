"""Dropout with a Philox mask."""
