"""Differentiable operations: a family a file, each operation's forward and backward side by side.

A function checks its arguments before it computes anything. An argument of the wrong Python type raises a
TypeError that names the function and the argument; the docstrings list the other errors.
"""

from minigrad.ops import activation, creation, creation_like, einsum, keywords, random
from minigrad.ops.methods import FAMILIES, bind

bind()
for family in (*FAMILIES, creation, creation_like, einsum, random):
    keywords.understand(family)
keywords.understand(activation, "log_softmax", "softmax")
