"""Batch normalisation over all axes but the second."""
