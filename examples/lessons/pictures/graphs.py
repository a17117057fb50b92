"""Graphs of scalars: boxes with values in blue and gradients in orange, and strips of them, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.patches import Circle, FancyBboxPatch

from .style import BLUE, GREY, ORANGE, PALE_GREY, PALE_ORANGE, STYLE, Picture, new_figure

WIDTH, HEIGHT = 1.1, 0.62  # of a box
COLUMN, ROW = 1.85, 0.95  # from one box to the next


def draw_graph(root: Any, rows: Mapping[str, float] | None = None, grads: bool = True, slopes: bool = False) -> Picture:
    """The graph that ends in `root`, from left to right.

    `rows` may say at which height a named node stands, 0 being the top. `grads` shows the gradients, `slopes`
    writes each operation's derivative on its edges.
    """
    with mpl.rc_context(STYLE):
        places = _places(root, rows or {})
        width, height = _extent(places)
        figure, ((axis,),) = new_figure(0.82 * width, 0.82 * height)
        shown = {node: node.grad for node in places} if grads else {}
        _draw(axis, places, shown, slopes=slopes)
        return Picture(figure)


class Film:
    """A strip of pictures of one graph: `add` keeps the gradients of that moment."""

    def __init__(self, root: Any, rows: Mapping[str, float] | None = None, columns: int = 2):
        self.places = _places(root, rows or {})
        self.columns = columns
        self.frames: list[tuple[str, dict, Any]] = []

    def add(self, title: str, running: Any = None) -> None:
        """One more frame; the node `running` is marked."""
        self.frames.append((title, {node: node.grad for node in self.places}, running))

    def picture(self) -> Picture:
        """All frames, in rows."""
        with mpl.rc_context(STYLE):
            width, height = _extent(self.places)
            rows = -(-len(self.frames) // self.columns)
            figure, axes = new_figure(0.62 * width * self.columns, (0.62 * height + 0.25) * rows, rows, self.columns)
            for axis in axes.flat[len(self.frames) :]:
                axis.set_axis_off()
            for axis, (title, grads, running) in zip(axes.flat, self.frames, strict=False):
                _draw(axis, self.places, grads, running, scale=0.78)
                axis.set_title(title, color=GREY)
            return Picture(figure)


def nodes_of(root: Any) -> list:
    """Every node that `root` depends on, each after those it was made from."""
    order: dict = {}

    def visit(node: Any) -> None:
        if node not in order:
            for parent, _ in node.parents:
                visit(parent)
            order[node] = None

    visit(root)
    return list(order)


def _places(root: Any, rows: Mapping[str, float]) -> dict[Any, tuple[float, float]]:
    """Where each node stands: its column is the longest way from a leaf, its row its first parent's if it is free."""
    order = nodes_of(root)
    column = {}
    for node in order:
        column[node] = 1 + max((column[parent] for parent, _ in node.parents), default=-1)
    for node in reversed(order):  # a leaf stands just before the first operation that takes it
        if not node.parents and node is not root:
            column[node] = min(column[child] for child in order if any(node is p for p, _ in child.parents)) - 1
    row: dict[Any, float] = {}
    for node in order:
        taken = {row[other] for other in row if column[other] == column[node]}
        wish = row[node.parents[0][0]] if node.parents else 0.0
        while wish in taken:
            wish += 1
        row[node] = rows.get(node.name, wish)
    return {node: (COLUMN * column[node], -ROW * row[node]) for node in order}


def _extent(places: dict) -> tuple[float, float]:
    xs, ys = zip(*places.values(), strict=True)
    return max(xs) - min(xs) + WIDTH + 0.7, max(ys) - min(ys) + HEIGHT + 0.3


def _draw(axis: Any, places: dict, grads: dict, running: Any = None, slopes: bool = False, scale: float = 1.0) -> None:
    for node, (x, y) in places.items():
        seen: dict[Any, int] = {}
        for parent, slope in node.parents:
            seen[parent] = again = seen.get(parent, -1) + 1
            twice = sum(p is parent for p, _ in node.parents) > 1
            bend = (0.35 if again == 0 else -0.35) if twice else 0.0
            _edge(axis, places[parent], (x, y), bend)
            if slopes:
                _slope(axis, places[parent], (x, y), bend, slope, scale)
    for node, (x, y) in places.items():
        _box(axis, node, x, y, grads.get(node), node is running, scale)
    xs, ys = zip(*places.values(), strict=True)
    axis.set_xlim(min(xs) - WIDTH / 2 - 0.1, max(xs) + WIDTH / 2 + 0.1)
    axis.set_ylim(min(ys) - HEIGHT / 2 - 0.1, max(ys) + HEIGHT / 2 + 0.1)
    axis.set_aspect("equal")
    axis.set_axis_off()


def _box(axis: Any, node: Any, x: float, y: float, grad: float | None, running: bool, scale: float) -> None:
    axis.add_patch(
        FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.09",
            facecolor=PALE_ORANGE if running else "white" if node.parents else PALE_GREY,
            edgecolor=ORANGE if running else "#8a8a8a",
            linewidth=2 if running else 1,
            zorder=3,
        )
    )
    text = {"ha": "center", "va": "center", "zorder": 5}
    shown = grad is not None
    middle = x + 0.05 * bool(node.operation)  # the operation's circle covers a little of the box
    axis.text(middle, y + 0.15, node.name, fontsize=10.5 * scale, weight="bold", color="#333333", **text)
    axis.text(middle - 0.24 * shown, y - 0.13, number(node.data), fontsize=10 * scale, color=BLUE, **text)
    if shown:
        axis.text(middle + 0.26, y - 0.13, number(grad), fontsize=10 * scale, color=ORANGE, **text)
    if node.operation:
        axis.add_patch(Circle((x - WIDTH / 2 - 0.02, y), 0.15, facecolor="white", edgecolor="#8a8a8a", zorder=6))
        axis.text(
            x - WIDTH / 2 - 0.02,
            y - 0.01,
            node.operation,
            fontsize=9.5 * scale,
            color="#333333",
            **text | {"zorder": 7},
        )


def _edge(axis: Any, start: tuple[float, float], end: tuple[float, float], bend: float) -> None:
    axis.annotate(
        "",
        xy=(end[0] - WIDTH / 2 - 0.17, end[1] + 0.04 * (start[1] - end[1])),
        xytext=(start[0] + WIDTH / 2, start[1]),
        arrowprops={
            "arrowstyle": "-|>,head_width=0.15,head_length=0.3",
            "color": "#8a8a8a",
            "linewidth": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
            "connectionstyle": f"arc3,rad={bend}",
        },
        zorder=1,
    )


def _slope(axis: Any, start: tuple[float, float], end: tuple[float, float], bend: float, slope: float, scale: float):
    x = (start[0] + WIDTH / 2 + end[0] - WIDTH / 2 - 0.17) / 2
    y = (start[1] + end[1]) / 2 - 0.36 * bend
    axis.text(
        x,
        y,
        number(slope),
        fontsize=9.5 * scale,
        color=GREY,
        ha="center",
        va="center",
        zorder=4,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
    )


def number(value: float) -> str:
    """A short number, with a real minus sign."""
    return f"{value:.3g}".replace("-", "−")
