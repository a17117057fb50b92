"""Looking at what a network does and how it learned."""

from minigrad.record.trace import Trace, trace
from minigrad.study.check.check import check
from minigrad.study.draw.graph import Graph, graph
from minigrad.study.explain.explanation import Explanation
from minigrad.study.explain.operation import explain
from minigrad.study.lessons.stepper import step
from minigrad.study.plots.attribution import grad_cam, saliency
from minigrad.study.plots.gradient_flow import plot_gradient_flow
from minigrad.study.plots.layers import plot_activations, plot_feature_maps, plot_filters
from minigrad.study.plots.training import plot_training

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
