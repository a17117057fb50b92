"""Sums of rows that belong together: the gradient of reading rows at positions that a tensor names."""
