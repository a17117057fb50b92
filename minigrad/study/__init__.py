"""Looking at what a network does and how it learned."""

from minigrad.study.attribution import grad_cam, saliency
from minigrad.study.check import check
from minigrad.study.explain import explain
from minigrad.study.explanation import Explanation
from minigrad.study.gradient_flow import plot_gradient_flow
from minigrad.study.graph import Graph, graph
from minigrad.study.layers import plot_activations, plot_feature_maps, plot_filters
from minigrad.study.stepper import step
from minigrad.study.trace import Trace, trace
from minigrad.study.training import plot_training

__all__ = [
    "check",
    "explain",
    "Explanation",
    "grad_cam",
    "Graph",
    "graph",
    "plot_activations",
    "plot_feature_maps",
    "plot_filters",
    "plot_gradient_flow",
    "plot_training",
    "saliency",
    "step",
    "trace",
    "Trace",
]
