"""Drawings of the autograd graph and of arrays, as SVG and HTML: `study.graph`."""
