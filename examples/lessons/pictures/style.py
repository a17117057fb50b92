"""How all pictures look: colours that everybody tells apart, little ink, the same file from the same numbers."""

from __future__ import annotations

import io
import re
import zlib
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#aa4499", "#5a5a5a"  # after Okabe and Ito
SERIES = [BLUE, ORANGE, GREEN, PURPLE, GREY]
PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_PURPLE, PALE_GREY = "#d8eaf6", "#fbe6d8", "#d5efe5", "#f2dfee", "#f2f2f2"

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": GREY,
    "axes.edgecolor": "#9a9a9a",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.fonttype": "none",  # letters as letters, not as outlines: a tenth of the size
    "svg.hashsalt": "minigrad",  # the names inside an SVG are else drawn at random
}


class Picture:
    """A figure that a notebook shows as SVG; what it shows is fixed when it is made."""

    def __init__(self, figure: Figure):
        with mpl.rc_context(STYLE):
            file = io.StringIO()
            figure.savefig(file, format="svg", dpi=200, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.08)
        self.svg = _lean(file.getvalue())

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return "<Picture>"  # a notebook stores it beside the picture, and an address would change at every run


def _lean(svg: str) -> str:
    """The same picture in a third of the bytes: no metadata, hundredths of a point, each style told once."""
    svg = re.sub(r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r" font-family: [^;]*;| transform=\"rotate\(-0 [^\"]*\"", "", svg)
    svg = re.sub(r"<g id=\"(text|patch)_\d+\">\s*((?:(?!<g|</g>).)*)</g>", r"\2", svg, flags=re.S)
    svg = re.sub(r"\n *", "\n", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", tag[0]), svg)
    rules: dict[str, str] = {}

    def as_class(match: re.Match) -> str:
        # Named after what it says: pictures that share a page share their rules.
        name = rules.setdefault(match[1], f"s{zlib.crc32(match[1].encode()):x}")
        return f'class="{name}"'

    svg = re.sub(r'style="([^"]*)"', as_class, svg)
    styles = "".join(f".{name}{{{style}}}" for style, name in rules.items())
    fonts = ".lesson text{font-family:'DejaVu Sans',Verdana,sans-serif}"  # both are equally wide
    svg = svg.replace('<style type="text/css">', f"<style>{fonts}{styles}", 1)
    return svg.replace("<svg ", '<svg class="lesson" ', 1)


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of the given size in inches, and its axes as a list of lists."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False, **options)
