"""A drawing as a list of shapes, written as SVG with a light and a dark theme, or drawn by Matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import PurePath
from typing import Any

from minigrad.serialize.files import atomic_write

Point = tuple[float, float]

# What a shape is painted in: its colour on white paper, and in the dark.
# The families' are Okabe and Ito's, told apart by everyone ("Color universal design", 2008).
ALTERNATIVE = "An autograd graph: operations, and lines from what they use to what they make"  # for screen readers

COLORS = {
    "paper": ("#ffffff", "#15191f"),
    "card": ("#ffffff", "#1f252d"),
    "folded": ("#eef1f5", "#2a323d"),
    "box": ("#f6f8fa", "#1a1f26"),
    "line": ("#8c959f", "#7d8792"),
    "frame": ("#c8d0d9", "#3b4550"),
    "ink": ("#1f2328", "#e8edf2"),
    "quiet": ("#59636e", "#a3adb8"),
    "gradient": ("#a33e00", "#ff9e64"),
    "weights": ("#0072b2", "#3d9fd8"),
    "function": ("#e69f00", "#e69f00"),
    "arithmetic": ("#56b4e9", "#84cdf5"),
    "pooling": ("#009e73", "#2bbd94"),
    "normalisation": ("#cc79a7", "#d993ba"),
    "rearranging": ("#8a8f98", "#8a8f98"),
    "reduction": ("#d55e00", "#ec7a24"),
    "own": ("#b5a800", "#f0e442"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
# How wide letters are in DejaVu Sans, the widest of these, in hundredths of the size; others are about 62.
WIDTHS = {letter: width for width, letters in {
    29: "ijl'|", 33: " .,:;", 40: "ftr()[]-/", 52: "csvxzyk", 78: "CGOQD", 84: "wMN\u00d7", 98: "mW",
}.items() for letter in letters}  # fmt: skip
CORNER = 7.0


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About how wide `text` is, in the wider of the usual fonts."""
    return sum([WIDTHS.get(letter, 63) for letter in text]) / 100 * size * (1.13 if bold else 1.0)


@dataclass
class Shape:
    """One element: `kind` is "rect", "path", "text", "open" (a group begins) or "close"."""

    kind: str
    points: Sequence[Point] = ()
    fill: str = ""
    stroke: str = ""
    text: str = ""
    size: float = 0.0
    bold: bool = False
    anchor: str = "start"
    arrow: bool = True
    corner: float = CORNER
    marks: dict[str, str] = field(default_factory=dict)


class Drawing:
    """Shapes in the order in which they are painted; coordinates in pixels, y downwards."""

    def __init__(self, width: float = 0.0, height: float = 0.0):
        self.width, self.height = width, height
        self.shapes: list[Shape] = []

    def rect(self, x: float, y: float, width: float, height: float, **style: Any) -> None:
        """A rectangle with round corners."""
        self.shapes.append(Shape("rect", ((x, y), (width, height)), **style))

    def line(self, points: Sequence[Point], **style: Any) -> None:
        """A smooth line that leaves and arrives upright; unless `arrow` is False, with a head at its end."""
        self.shapes.append(Shape("path", points, **style))

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        """Text on the baseline y; `anchor` says which part of it is at x, and `stroke` is the colour of its halo."""
        if text:
            self.shapes.append(Shape("text", ((x, y),), text=text, size=size, **style))

    @contextmanager
    def group(self, title: str = "", **marks: str) -> Iterator[None]:
        """What is drawn inside belongs together: `title` is its tooltip, `marks` its data attributes in SVG."""
        self.shapes.append(Shape("open", text=title, marks=marks))
        yield
        self.shapes.append(Shape("close"))

    def svg(self, colors: bool = True) -> str:
        """The picture as an SVG element; without `colors` the page around it has those of `css`."""
        style = f"<style>{css()}</style>" if colors else ""
        width, height = f"{self.width:.0f}", f"{self.height:.0f}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="mg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label="{ALTERNATIVE}">{style}'
            f"{''.join(map(_element, self.shapes))}</svg>"
        )

    def paint(self, path: Any, dpi: float = 144.0) -> None:
        """Write the picture with Matplotlib, in the colours for white paper; `path` ends in .png or .pdf."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
        from matplotlib.path import Path
        from matplotlib.patheffects import withStroke

        # A pixel of the drawing is 1/96 inch, as in CSS; Matplotlib counts points of 1/72 inch.
        figure = Figure(figsize=(self.width / 96, self.height / 96), facecolor=COLORS["paper"][0])
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        axes.axis("off")
        for order, shape in enumerate(self.shapes):
            fill = COLORS[shape.fill][0] if shape.fill else "none"
            edge = COLORS[shape.stroke][0] if shape.stroke else "none"
            common: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "linewidth": 0.9, "zorder": order}
            if shape.kind == "rect":
                (x, y), (width, height) = shape.points
                rounding = min(shape.corner, width / 2, height / 2)
                box = f"round,pad=0,rounding_size={rounding}"
                axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=box, **common))
            elif shape.kind == "path":
                codes, points = _curve(shape.points)
                axes.add_patch(PathPatch(Path(points, [getattr(Path, code) for code in codes]), **common))
                if shape.arrow:
                    axes.add_patch(Polygon(_arrow(shape.points), facecolor=edge, linewidth=0, zorder=order))
            elif shape.kind == "text":
                ((x, y),) = shape.points
                weight = "bold" if shape.bold else "normal"
                align = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
                axes.text(
                    x, y, shape.text, size=shape.size * 0.72, weight=weight, ha=align, color=fill, zorder=order,
                    parse_math=False, path_effects=[withStroke(linewidth=3, foreground=edge)] if shape.stroke else [],
                )  # fmt: skip
        with atomic_write(path) as file:
            figure.savefig(file, dpi=dpi, format=PurePath(path).suffix[1:])


def css(toggle: bool = False) -> str:
    """The colours as CSS, dark where the reader prefers it; with `toggle` data-theme on the page's root decides."""
    text = f".mg text{{font-family:{FONT};paint-order:stroke;stroke-width:4}}"
    rules = [f"{text}.mg .n{{fill:none}}.mg [data-open]{{cursor:pointer}}", _rules("", 0)]
    dark = _rules(":root:not([data-theme=light]) " if toggle else "", 1)
    rules.append(f"@media (prefers-color-scheme:dark){{{dark}}}")
    if toggle:
        rules.append(_rules(":root[data-theme=dark] ", 1))
    return "".join(rules)


def _rules(scope: str, dark: int) -> str:
    return "".join(
        [
            f"{scope}.mg .f-{name}{{fill:{pair[dark]}}}{scope}.mg .s-{name}{{stroke:{pair[dark]}}}"
            for name, pair in COLORS.items()
        ]
    )


def _element(shape: Shape) -> str:
    if shape.kind == "open":
        marks = "".join([f' data-{name}="{escape(value)}"' for name, value in shape.marks.items()])
        return f"<g{marks}>{f'<title>{escape(shape.text)}</title>' if shape.text else ''}"
    if shape.kind == "close":
        return "</g>"
    classes = [f"f-{shape.fill}" if shape.fill else "n"] + ([f"s-{shape.stroke}"] if shape.stroke else [])
    paint = f'class="{" ".join(classes)}"'
    if shape.kind == "rect":
        (x, y), (width, height) = shape.points
        return f'<rect {paint} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{shape.corner}"/>'
    if shape.kind == "path":
        codes, points = _curve(shape.points)
        letters = {"MOVETO": "M", "LINETO": "L", "CURVE4": "C"}
        words, before = [], ""
        for code, (x, y) in zip(codes, points, strict=True):
            words.append(f"{letters[code] if code != before else ''}{x:.1f} {y:.1f}")
            before = code
        line = f'<path {paint} d="{" ".join(words)}"/>'
        if not shape.arrow:
            return line
        head = " ".join([f"{x:.1f},{y:.1f}" for x, y in _arrow(shape.points)])
        return f'{line}<polygon class="f-{shape.stroke}" points="{head}"/>'
    ((x, y),) = shape.points
    weight = ' font-weight="600"' if shape.bold else ""
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{shape.size}"'
    return f"<text {paint} {place}{weight}{anchor}>{escape(shape.text)}</text>"


def _curve(points: Sequence[Point]) -> tuple[list[str], list[Point]]:
    """The polyline as cubic curves with upright tangents, straight where it is upright."""
    codes, curve = ["MOVETO"], [points[0]]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if abs(x0 - x1) < 0.5:
            codes.append("LINETO")
            curve.append((x1, y1))
        else:
            bend = (y1 - y0) * 0.55
            codes += ["CURVE4"] * 3
            curve += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
    return codes, curve


def _arrow(points: Sequence[Point]) -> list[Point]:
    """The triangle at the end of a line, pointing down."""
    x, y = points[-1]
    return [(x, y), (x - 3.6, y - 6.5), (x + 3.6, y - 6.5)]
