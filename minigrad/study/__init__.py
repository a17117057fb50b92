"""Looking at what a network does and how it learned."""

from minigrad.study.graph import Graph, graph
from minigrad.study.trace import Trace, trace
from minigrad.study.training import plot_training

__all__ = ["Graph", "Trace", "graph", "plot_training", "trace"]
