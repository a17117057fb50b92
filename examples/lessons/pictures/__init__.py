"""The lessons' pictures. Blue is a value on its way forward, orange a gradient on its way back."""

from .circle import draw_circle
from .graphs import Film, draw_graph
from .plots import bars, curves, heatmaps, histograms, scatter
from .style import Picture
from .windows import draw_im2col, draw_sliding

__all__ = [
    "Film",
    "Picture",
    "bars",
    "curves",
    "draw_circle",
    "draw_graph",
    "draw_im2col",
    "draw_sliding",
    "heatmaps",
    "histograms",
    "scatter",
]
