"""Draws an autograd graph: a card for each operation, a chip for each parameter, a frame for each module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import hypot, prod
from typing import Any

from minigrad.study.draw.autograd_graph import FAMILIES, AutogradGraph, Entry
from minigrad.study.draw.folding import Box, is_chip
from minigrad.study.draw.layout import Edge, Layout, layered
from minigrad.study.draw.shapes import Drawing, text_width

MARGIN, PADDING = 16.0, 14.0
TITLE, SMALL = 13.0, 11.0  # sizes of text
LOW, HIGH = 30.0, 44.0  # a card with one line of text, with two
CHIP, BETWEEN, TO_CHIPS = 20.0, 4.0, 14.0  # a parameter's height, the space between two, and from the card to them
HEADER = 26.0  # the title of a box
STACK = 4.0  # how far the second sheet of a folded module shows

Output = tuple[int, int]  # index of an entry, and which of its outputs


@dataclass
class _Piece:
    """What the layout moves around: its size, where arrows leave and arrive, and how to paint it at a place."""

    width: float
    height: float
    middle: float
    paint: Callable[[Drawing, float, float], None]
    arrivals: dict[Output, float] = field(default_factory=dict)  # of a box: where each tensor enters
    departures: dict[Output, float] = field(default_factory=dict)


def draw(graph: AutogradGraph, box: Box, legend: bool = True) -> Drawing:
    """The picture of `box`, with a key of the colours below."""
    artist = _Artist(graph)
    layout, paint, _, _ = artist.inside(box)
    key = _legend(graph, box) if legend else []
    width = max(layout.width, min(560.0, sum([entry_width for _, _, entry_width in key]))) + 2 * MARGIN
    drawing = Drawing(width)
    rows, x, y = [], MARGIN, layout.height + MARGIN + 30
    for family, words, entry_width in key:
        if x > MARGIN and x + entry_width > width - MARGIN / 2:
            x, y = MARGIN, y + 18
        rows.append((x, y, family, words))
        x += entry_width
    drawing.height = y + MARGIN if key else layout.height + 2 * MARGIN
    drawing.rect(0, 0, drawing.width, drawing.height, fill="paper", corner=0.0)
    paint(drawing, (width - layout.width) / 2, MARGIN)
    for x, y, family, words in rows:
        if family == "gradient":
            drawing.text(x, y, words, SMALL, fill="gradient")
        else:
            drawing.rect(x, y - 9, 10, 10, fill=family, corner=2.5)
            drawing.text(x + 15, y, words, SMALL, fill="quiet")
    return drawing


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as it is written in a picture: 6×1×5×5."""
    return "×".join(map(str, shape)) if shape else "scalar"


def _legend(graph: AutogradGraph, box: Box) -> list[tuple[str, str, float]]:
    families = {graph.entries[index].family for index in box.members if graph.entries[index].operation}
    key = [(name, words) for name, words in FAMILIES.items() if name in families]
    widths = [(name, words, text_width(words, SMALL) + 30) for name, words in key]
    if any([entry.gradient for entry in graph.entries]):
        words = "∇ gradient (of a tensor: its norm)"
        widths.append(("gradient", words, text_width(words, SMALL) + 16))
    return widths


class _Artist:
    def __init__(self, graph: AutogradGraph):
        self.graph, self.entries = graph, graph.entries

    def inside(self, box: Box) -> tuple[Layout, Callable[..., Any], dict[Output, float], dict[Output, float]]:
        """The layout of what is in `box`, how to paint it, and where tensors enter and leave."""
        items = box.items
        home = {index: place for place, item in enumerate(items) for index in _members(item)}
        pieces = [self.piece(item, box.path) for item in items]
        links: dict[tuple[int, int, Output], int] = {}  # (from, to, tensor) -> how many lines
        entering: dict[Output, int] = {}
        for index in home:
            for source in self.entries[index].sources:
                if source[0] in home:
                    origin = home[source[0]]
                elif source[0] in self._chips(index):
                    continue
                else:
                    origin = entering.setdefault(source, len(items) + len(entering))
                if origin != home[index]:
                    link = (origin, home[index], source)
                    plain = isinstance(items[home[index]], int)  # x * x is two lines, into a box goes one
                    links[link] = links.get(link, 0) + 1 if plain else 1
        leaving: dict[Output, int] = {}
        for index in home:
            for user in self.entries[index].users:
                if user not in home:
                    for source in self.entries[user].sources:
                        if source[0] == index:
                            leaving.setdefault(source, len(items) + len(entering) + len(leaving))
        edges, tensors = [], []
        for (origin, target, tensor), count in links.items():
            leaves_at = pieces[origin].departures.get(tensor, pieces[origin].middle) if origin < len(items) else 0.0
            arrives_at = pieces[target].arrivals.get(tensor, pieces[target].middle)
            edges += [Edge(origin, target, leaves_at, arrives_at)] * count
            tensors += [tensor] * count
        for tensor, gate in leaving.items():
            piece = pieces[home[tensor[0]]]
            edges.append(Edge(home[tensor[0]], gate, piece.departures.get(tensor, piece.middle), 0.0))
            tensors.append(tensor)
        sizes = [(piece.width, piece.height) for piece in pieces] + [(0.0, 0.0)] * (len(entering) + len(leaving))
        layout = layered(sizes, edges, list(entering.values()), list(leaving.values()))

        aside = {tensor for tensor, route in zip(tensors, layout.routes, strict=True) if route[1][0] > route[0][0] + 1}

        paper = "box" if box.path else "paper"

        def paint(drawing: Drawing, x: float, y: float) -> None:
            labels: dict[Output, tuple[float, float, str, str]] = {}  # drawn last: no line goes through them
            for edge, tensor, route in zip(edges, tensors, layout.routes, strict=True):
                points = [(x + a, y + b) for a, b in route]
                target = items[edge.target] if edge.target < len(items) else None
                marks = {"to": str(target)} if isinstance(target, int) else {}
                with drawing.group(edge=str(tensor[0]), **marks):
                    drawing.line(points, stroke="line", arrow=edge.target not in leaving.values())
                shape = self.entries[tensor[0]].shapes[tensor[1]]
                if shape and edge.source < len(items) and edge.target not in leaving.values():
                    anchor, place = ("end", -6.0) if tensor in aside else ("start", 6.0)
                    left, top = points[0]
                    labels.setdefault(tensor, (left + place, top + 14, shape_text(shape), anchor))
            for left, top, words, anchor in labels.values():
                drawing.text(left, top, words, SMALL - 1, fill="quiet", stroke=paper, anchor=anchor)
            for piece, left, top in zip(pieces, layout.x, layout.y, strict=False):
                piece.paint(drawing, x + left, y + top)

        arrivals = {tensor: layout.x[gate] for tensor, gate in entering.items()}
        departures = {tensor: layout.x[gate] for tensor, gate in leaving.items()}
        return layout, paint, arrivals, departures

    def piece(self, item: int | Box, around: str) -> _Piece:
        if isinstance(item, int):
            entry = self.entries[item]
            return self.card(entry, around) if entry.operation else self.leaf(entry)
        return self.folded(item) if item.folded else self.frame(item)

    def card(self, entry: Entry, around: str) -> _Piece:
        """An operation: a band in its family's colour, its name, its variable's and its module's; chips beside."""
        chips = [self.chip(self.entries[source]) for source in self._chips(entry.index)]
        title, label = entry.title or entry.operation, "" if entry.title else entry.label
        below = entry.path[-1] if entry.path and entry.path[-1] != around else ""
        second = [text for text in (entry.value, below, entry.gradient) if text]
        title_width = text_width(title, TITLE, bold=True) + (text_width(label, TITLE) + 10 if label else 0)
        second_width = sum([text_width(text, SMALL) + 10 for text in second]) - 10
        width = max(title_width, second_width, 44.0) + 26
        height = HIGH if second else LOW
        stack = len(chips) * (CHIP + BETWEEN) - BETWEEN if chips else 0.0
        tall = max(height, stack)
        aside = max([chip.width for chip in chips], default=0.0) + TO_CHIPS if chips else 0.0

        def paint(drawing: Drawing, x: float, y: float) -> None:
            top = y + (tall - height) / 2
            for place, chip in enumerate(chips):
                chip_y = y + (tall - stack) / 2 + place * (CHIP + BETWEEN)
                joint = [(x + width, top + height / 2), (x + width + TO_CHIPS, chip_y + CHIP / 2)]
                drawing.line(joint, stroke="frame", arrow=False)
                chip.paint(drawing, x + width + TO_CHIPS, chip_y)
            with drawing.group(_tooltip(entry), entry=str(entry.index)):
                drawing.rect(x, top, width, height, fill="card", stroke="frame")
                drawing.rect(x + 5, top + 6, 4, height - 12, fill=entry.family, corner=2.0)
                base = top + (19.5 if second else height / 2 + 4.5)
                drawing.text(x + 16, base, title, TITLE, fill="ink", bold=True)
                drawing.text(x + width - 9, base, label, TITLE, fill="quiet", anchor="end")
                drawing.text(x + 16, top + 35.5, below, SMALL, fill="quiet")
                with drawing.group(value=str(entry.index)):
                    drawing.text(x + 16, top + 35.5, entry.value, SMALL, fill="ink")
                with drawing.group(gradient=str(entry.index)):
                    anchor, edge = ("end", x + width - 9) if len(second) > 1 else ("start", x + 16)
                    drawing.text(edge, top + 35.5, entry.gradient, SMALL, fill="gradient", anchor=anchor)

        return _Piece(width + aside, tall, width / 2, paint)

    def chip(self, entry: Entry) -> _Piece:
        """A parameter, small: its own name, its shape, the norm of its gradient."""
        name = entry.label.rpartition(".")[2] or "parameter"
        return self._strip(entry, name, [(shape_text(entry.shapes[0]), "quiet")], CHIP)

    def leaf(self, entry: Entry) -> _Piece:
        """A tensor that no operation made and that is no parameter of one operation only."""
        name = entry.label or entry.title or ("parameter" if entry.is_parameter else "leaf")
        return self._strip(entry, name, [(f"= {entry.value}", "ink")] if entry.value else [], CHIP + 6)

    def _strip(self, entry: Entry, name: str, words: list[tuple[str, str]], height: float) -> _Piece:
        """A pill: the name, `words` in their colours, and the gradient."""
        size = TITLE if height > CHIP else SMALL
        start = text_width(name, size, bold=True) + 8
        widths = [text_width(text, size) + 8 for text, _ in [*words, (entry.gradient, "")] if text]
        width = start + sum(widths) + (18 if entry.gradient else 10)  # room for the stepper's count in the corner

        def paint(drawing: Drawing, x: float, y: float) -> None:
            with drawing.group(_tooltip(entry), entry=str(entry.index)):
                drawing.rect(x, y, width, height, fill="paper", stroke="frame", corner=height / 2)
                base, place = y + height / 2 + 4, x + 9 + start
                drawing.text(x + 9, base, name, size, fill="ink", bold=True)
                for (text, color), its_width in zip(words, widths, strict=False):
                    drawing.text(place, base, text, size, fill=color)
                    place += its_width
                with drawing.group(gradient=str(entry.index)):
                    drawing.text(place, base, entry.gradient, size, fill="gradient")

        return _Piece(width, height, width / 2, paint)

    def folded(self, box: Box) -> _Piece:
        """A module that is not opened: what it is, how much is in it."""
        operations = [index for index in box.members if self.entries[index].operation]
        parameters = {source for index in operations for source in self._chips(index)}
        count = sum([prod(self.entries[source].shapes[0]) for source in parameters])
        known = [self.entries[source].gradient_norm for source in parameters]
        norms = [norm for norm in known if norm is not None]
        kind = self.graph.modules.get(box.path, "")
        facts = f"{len(operations)} operations" + (f", {count:,} parameters" if count else "")
        gradient = f"∇ {hypot(*norms):.3g}" if norms else ""
        first = text_width(box.path, TITLE, bold=True) + (text_width(kind, SMALL) + 10)
        width = max(first, text_width(facts, SMALL) + (text_width(gradient, SMALL) + 12 if gradient else 0)) + 26
        families = [self.entries[index].family for index in operations]
        bands = [name for name in FAMILIES if name in families]

        def paint(drawing: Drawing, x: float, y: float) -> None:
            with drawing.group(f"{box.path}: {kind}, {facts}", open=box.path):
                drawing.rect(x + STACK, y + STACK, width, HIGH, fill="folded", stroke="frame")
                drawing.rect(x, y, width, HIGH, fill="folded", stroke="frame")
                share = (HIGH - 12) / len(bands)
                for place, family in enumerate(bands):
                    drawing.rect(x + 5, y + 6 + place * share, 4, share - 1, fill=family, corner=1.0)
                drawing.text(x + 16, y + 19.5, box.path, TITLE, fill="ink", bold=True)
                drawing.text(x + width - 9, y + 19.5, kind, SMALL, fill="quiet", anchor="end")
                drawing.text(x + 16, y + 35.5, facts, SMALL, fill="quiet")
                drawing.text(x + width - 9, y + 35.5, gradient, SMALL, fill="gradient", anchor="end")

        return _Piece(width + STACK, HIGH + STACK, width / 2, paint)

    def frame(self, box: Box) -> _Piece:
        """A module that is opened: a frame around its inside."""
        layout, paint_inside, arrivals, departures = self.inside(box)
        kind = self.graph.modules.get(box.path, "")
        title = text_width(box.path, TITLE, bold=True) + text_width(kind, SMALL) + 2 * PADDING
        # Lines come in through the upper edge, to the right of the title.
        left = max(PADDING, title - min(arrivals.values())) if arrivals else PADDING
        above, below = 0.0 if arrivals else HEADER + 6, 0.0 if departures else PADDING
        width = max(layout.width + left + PADDING, title + PADDING)
        height = above + layout.height + below

        def paint(drawing: Drawing, x: float, y: float) -> None:
            with drawing.group(module=box.path):
                drawing.rect(x, y, width, height, fill="box", stroke="frame", corner=10.0)
            paint_inside(drawing, x + left, y + above)
            drawing.text(x + PADDING, y + 18, box.path, TITLE, fill="ink", bold=True)
            place = x + PADDING + text_width(box.path, TITLE, bold=True) + 5
            drawing.text(place, y + 18, kind, SMALL, fill="quiet", stroke="box")

        return _Piece(
            width,
            height,
            width / 2,
            paint,
            {tensor: left + place for tensor, place in arrivals.items()},
            {tensor: left + place for tensor, place in departures.items()},
        )

    def _chips(self, index: int) -> list[int]:
        sources = [source for source, _ in self.entries[index].sources]
        return [source for source in sources if is_chip(self.entries, self.entries[source])]


def _members(item: int | Box) -> list[int]:
    return [item] if isinstance(item, int) else item.members


def _tooltip(entry: Entry) -> str:
    lines = [": ".join([part for part in (entry.label, entry.operation or "leaf") if part])]
    lines += [f"in {entry.path[-1]}"] if entry.path else []
    lines += [f"{'output' if entry.operation else 'shape'} {shape_text(shape)}" for shape in entry.shapes]
    lines += [f"norm of the gradient {entry.gradient_norm:.6g}"] if entry.gradient_norm is not None else []
    return "\n".join(lines)
