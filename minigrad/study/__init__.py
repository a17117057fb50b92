"""Looking at what a network does and how it learned."""

from minigrad.study.trace import Trace, trace
from minigrad.study.training import plot_training

__all__ = ["Trace", "plot_training", "trace"]
