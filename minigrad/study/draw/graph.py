"""`study.graph`: a drawing of the autograd graph, with operations, parameters and the modules around them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from minigrad.nn import Module
from minigrad.record.trace import Trace
from minigrad.serialize.files import write_text
from minigrad.study.draw.autograd_graph import AutogradGraph, read_graph
from minigrad.study.draw.cards import draw
from minigrad.study.draw.folding import Box, fold, is_chip
from minigrad.study.draw.shapes import css

MOST_SHOWN = 1000  # cards in one picture: more cannot be read, and take seconds to lay out


def graph(loss: Any, model: Module | None = None, depth: int | None = None) -> Graph:
    """Draw the autograd graph of a tensor.

    Modules are boxes. Which module an operation is in is known exactly if forward ran inside `study.trace()`, and is
    otherwise inferred from where the parameters of `model` are used. Gradient norms are shown where there is a `.grad`:
    in the leaves after backward, and in tensors with `retain_grad()`.

    Args:
        loss: the tensor at the end of the graph.
        model: the model, for the names of its parameters and modules; None means the one among the caller's variables.
        depth: down to how many levels modules are opened (0: all are folded); None opens them as far as about 20 cards
            remain.

    Returns:
        A `Graph`: a notebook shows it, `save` writes it.

    Raises:
        TypeError: `loss` is not a tensor, or `model` not a module.
        RuntimeError: the tensor has no graph.
        ValueError: `depth` is negative, or more than 1,000 cards would be drawn.

    Examples:
        >>> from minigrad import study
        >>> x = mg.randn(3, requires_grad=True)
        >>> study.graph((x * x).sum()).save("graph.svg")
    """
    if isinstance(loss, Trace):
        raise TypeError("graph: draw the loss itself, graph(loss); a trace is for study.step")
    graph = read_graph("graph", loss, model, sys._getframe(1))
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"graph: depth must be an int from 0, or None, but got {depth!r}")
    return Graph(graph, depth)


class Graph:
    """A drawing of an autograd graph, made by `graph`.

    Args:
        graph: the operations and leaves.
        depth: as for the function `graph`.

    Raises:
        ValueError: more than 1,000 cards would be drawn.

    Examples:
        >>> from minigrad import study
        >>> x = mg.randn(3, requires_grad=True)
        >>> study.graph((x * x).sum())
        <Graph of 3 cards>
    """

    def __init__(self, graph: AutogradGraph, depth: int | None = None):
        self._graph = graph
        entries = graph.entries
        shown = [entry.index for entry in entries if not is_chip(entries, entry)]
        if not any([entry.path for entry in entries]) and len(shown) > MOST_SHOWN:
            raise ValueError(_too_many(len(shown), "model=, so that its modules can be folded"))
        self._root = fold(entries, shown, depth)
        if self._root.cards() > MOST_SHOWN:
            raise ValueError(_too_many(self._root.cards(), "a smaller depth"))

    def _repr_svg_(self) -> str:
        return draw(self._graph, self._root).svg()

    def __repr__(self) -> str:
        return f"<Graph of {self._root.cards()} cards>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing.

        Args:
            path: the file to write: .svg, .png, .pdf, or .html, where folded modules can be opened.

        Raises:
            ValueError: the path has another suffix.
        """
        path = Path(path)
        if path.suffix == ".svg":
            write_text(path, self._repr_svg_())
        elif path.suffix == ".html":
            write_text(path, self._page())
        elif path.suffix in (".png", ".pdf"):
            draw(self._graph, self._root).paint(path)
        else:
            raise ValueError(f"Graph.save: the path must end in .svg, .png, .pdf or .html, but got {path.name!r}")

    def _page(self) -> str:
        """A page of its own; every folded module has a second picture, which is shown when it is clicked."""
        sections: list[str] = []
        pending: list[Box] = [self._root]
        while pending:
            box = pending.pop(0)
            for folded in [inner for inner in box.boxes() if inner.folded]:
                level = len(folded.path.split("."))
                pending.append(fold(self._graph.entries, folded.members, None, folded.path, level))
            hidden = "" if box is self._root else " hidden"
            picture = draw(self._graph, box).svg(colors=False)
            sections.append(f'<section data-module="{box.path}"{hidden}>{picture}</section>')
        template = Path(__file__).with_name("graph.html").read_text(encoding="utf-8")
        return template.replace("/*colors*/", css(toggle=True)).replace("<!--pictures-->", "\n".join(sections))


def _too_many(count: int, remedy: str) -> str:
    return (
        f"graph: {count:,} operations are too many for one picture (at most {MOST_SHOWN:,}): pass {remedy}, or draw "
        "the result of a part of the computation"
    )
