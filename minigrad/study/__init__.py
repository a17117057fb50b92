"""Looking at what a network does and how it learned."""

from minigrad.study.training import plot_training

__all__ = ["plot_training"]
