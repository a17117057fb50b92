"""The layout of a directed graph: a layer and a coordinate for each node, with few crossings and straight edges.

Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981), in four
steps: a layer for each node, an order within each layer, a coordinate for each node, and the lines between them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

GAP_X = 26.0  # between neighbours of a layer
GAP_LINE = 14.0  # between a line that passes through a layer and its neighbours
GAP_Y = 32.0  # between layers: room for an arrow and one line of text
SPREAD = 13.0  # between arrows that end at the same place
SWEEPS = 13  # down and up again, and down at last; orders stop improving after fewer in every graph that we draw
REAL, LINE = 10.0, 1.0  # who gives way when two want the same place: lines go around nodes


class Edge(NamedTuple):
    """An arrow from node `source` to node `target`, and where along their widths it leaves and arrives."""

    source: int
    target: int
    leaves_at: float
    arrives_at: float


@dataclass
class Layout:
    """Left upper corners of the nodes, a polyline for each edge, and the size of it all."""

    x: list[float]
    y: list[float]
    routes: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[Edge],
    top: Sequence[int] = (),
    bottom: Sequence[int] = (),
) -> Layout:
    """Lay out an acyclic graph from top to bottom.

    `sizes` are the nodes' widths and heights. The nodes `top` share the first layer and `bottom` the last: the
    gates of a box whose inside is laid out. Edges that leave one place run together as far as they can.
    """
    ranks = _ranks(len(sizes), edges, top, bottom)
    widths = [width for width, _ in sizes]
    item_ranks = list(ranks)  # items: the nodes, then a point for each layer that a line passes through
    chains: list[list[int]] = []  # for each edge its items from source to target
    passing: dict[tuple[int, float, int], int] = {}
    for edge in edges:
        chain = [edge.source]
        for rank in range(ranks[edge.source] + 1, ranks[edge.target]):
            key = (edge.source, edge.leaves_at, rank)
            if key not in passing:
                passing[key] = len(widths)
                widths.append(0.0)
                item_ranks.append(rank)
            chain.append(passing[key])
        chains.append([*chain, edge.target])
    above: list[list[tuple[int, float]]] = [[] for _ in widths]  # neighbour, and its place relative to one's own
    below: list[list[tuple[int, float]]] = [[] for _ in widths]
    for edge, chain in zip(edges, chains, strict=True):
        for upper, lower in zip(chain, chain[1:], strict=False):
            shift = (edge.leaves_at if upper == edge.source else 0) - (edge.arrives_at if lower == edge.target else 0)
            if (upper, shift) not in above[lower]:
                above[lower].append((upper, shift))
                below[upper].append((lower, -shift))
    layers: list[list[int]] = [[] for _ in range(max(item_ranks, default=-1) + 1)]
    for item in sorted(range(len(widths)), key=lambda item: (item >= len(sizes), item)):
        layers[item_ranks[item]].append(item)
    _order(layers, above, below)
    x = _place(layers, above, below, widths, len(sizes))
    _straighten(x, layers, chains, widths)

    y, tops, heights = [0.0] * len(sizes), [], []
    height = 0.0
    for layer in layers:
        tops.append(height)
        heights.append(max([sizes[item][1] for item in layer if item < len(sizes)], default=0.0))
        for item in layer:
            if item < len(sizes):
                y[item] = height + (heights[-1] - sizes[item][1]) / 2
        height += heights[-1] + GAP_Y
    left = min(x, default=0.0)
    x = [value - left for value in x]
    routes = []
    for edge, chain, shift in zip(edges, chains, _arrivals(edges, chains, x), strict=True):
        points = [(x[edge.source] + edge.leaves_at, y[edge.source] + sizes[edge.source][1])]
        for item in chain[1:-1]:
            rank = item_ranks[item]
            points += [(x[item], tops[rank]), (x[item], tops[rank] + heights[rank])]
        routes.append([*points, (x[edge.target] + edge.arrives_at + shift, y[edge.target])])
    width = max([x[item] + widths[item] for item in range(len(widths))], default=0.0)
    return Layout(x[: len(sizes)], y, routes, width, max(height - GAP_Y, 0.0))


def _ranks(count: int, edges: Sequence[Edge], top: Sequence[int], bottom: Sequence[int]) -> list[int]:
    """The layer of each node: one below its lowest predecessor; sources right above what uses them first."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for edge in edges:
        targets[edge.source].append(edge.target)
        waiting[edge.target] += 1
    sources = [node for node in range(count) if not waiting[node]]
    ranks = [0 if node in top else int(bool(top)) for node in range(count)]
    ready, seen = list(sources), 0
    while ready:
        node = ready.pop()
        seen += 1
        for target in targets[node]:
            ranks[target] = max(ranks[target], ranks[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if seen < count:
        raise ValueError("layered: the graph has a cycle")
    for node in sources:
        if node not in top and targets[node]:
            ranks[node] = min([ranks[target] for target in targets[node]]) - 1
    last = max(ranks, default=0)
    if bottom and any(ranks[node] == last for node in range(count) if node not in bottom):
        last += 1
    for node in bottom:
        ranks[node] = last
    return ranks


def _order(layers: list[list[int]], above: list[Any], below: list[Any]) -> None:
    """Sort each layer by the mean place of its items' neighbours, to and fro; keep the order that crosses least."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, above)
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 else above
        for layer, fixed in zip(*_sweep(layers, sweep), strict=False):
            place = {item: index for index, item in enumerate(fixed)}
            own = {item: index for index, item in enumerate(layer)}

            def barycentre(item: Any, place: Any = place, own: Any = own, neighbours: Any = neighbours) -> Any:
                places = [place[neighbour] for neighbour, _ in neighbours[item]]
                return sum(places) / len(places) if places else own[item]

            layer.sort(key=barycentre)
        crossings = _crossings(layers, above)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _sweep(layers: list[Any], sweep: int) -> tuple[list[Any], list[Any]]:
    """The layers to work on in turn, and for each the one before it: downwards, or upwards if `sweep` is odd."""
    return (layers[-2::-1], layers[:0:-1]) if sweep % 2 else (layers[1:], layers[:-1])


def _crossings(layers: list[list[int]], above: list[Any]) -> int:
    """How many pairs of lines cross: inversions, counted layer by layer."""
    count = 0
    for upper, lower in zip(layers, layers[1:], strict=False):
        place = {item: index for index, item in enumerate(upper)}
        seen: list[int] = []
        for item in lower:
            places = [place[neighbour] for neighbour, _ in above[item]]
            count += sum(len(seen) - bisect_left(seen, index + 1) for index in places)
            for index in places:
                insort(seen, index)
    return count


def _place(layers: list[list[int]], above: list[Any], below: list[Any], widths: list[float], nodes: int) -> list[float]:
    """The left end of each item: under its neighbours where the order and the gaps allow it."""
    x = [0.0] * len(widths)
    for layer in layers:
        left = 0.0
        for item in layer:
            x[item] = left
            left += widths[item] + GAP_X
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 else above
        for layer, _ in zip(*_sweep(layers, sweep), strict=False):
            wanted = []
            for item in layer:
                places = [(other < nodes, x[other] + shift) for other, shift in neighbours[item]]
                # A node stands under the nodes before it; lines that end at it come from the side.
                chosen = [place for real, place in places if real] or [place for _, place in places] or [x[item]]
                wanted.append(sum(chosen) / len(chosen))
            weights = [REAL if item < nodes else LINE for item in layer]
            for item, place in zip(layer, _apart(wanted, weights, _gaps(layer, widths)), strict=True):
                x[item] = place
    return x


def _gaps(layer: list[int], widths: list[float]) -> list[float]:
    """The least distance from the left end of each item to that of the next."""
    return [
        widths[item] + (GAP_X if widths[item] and widths[after] else GAP_LINE)
        for item, after in zip(layer, layer[1:], strict=False)
    ]


def _apart(wanted: list[float], weights: list[float], gaps: list[float]) -> list[float]:
    """The places nearest to `wanted` (weighted least squares) that keep the order and the gaps.

    With the gaps subtracted this is isotonic regression: neighbours that would overlap are pooled to their mean.
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = (place - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]


def _straighten(x: list[float], layers: list[list[int]], chains: list[list[int]], widths: list[float]) -> None:
    """Give all points of a line one coordinate, its outermost, where nothing is in the way."""
    room = {}
    for layer in layers:
        for index, item in enumerate(layer):
            room[item] = (
                layer[index - 1] if index else None,
                layer[index + 1] if index + 1 < len(layer) else None,
            )
    for chain in chains:
        points = chain[1:-1]
        if len(points) < 2:
            continue
        for place in (max([x[item] for item in points]), min([x[item] for item in points])):
            lowest = [x[left] + widths[left] + GAP_LINE for item in points if (left := room[item][0]) is not None]
            highest = [x[right] - GAP_LINE for item in points if (right := room[item][1]) is not None]
            if max(lowest, default=place) - 0.01 <= place <= min(highest, default=place) + 0.01:
                for item in points:
                    x[item] = place
                break


def _arrivals(edges: Sequence[Edge], chains: list[list[int]], x: list[float]) -> list[float]:
    """How far each arrow's end is moved aside, so that several at one place can be told apart.

    One that comes straight from above stays where it is.
    """
    meeting: dict[tuple[int, float], list[int]] = {}
    for index, edge in enumerate(edges):
        meeting.setdefault((edge.target, edge.arrives_at), []).append(index)
    shifts = [0.0] * len(edges)
    for indices in meeting.values():
        origins = {}
        for index in indices:
            edge, upper = edges[index], chains[index][-2]
            leaves_at = edge.leaves_at if upper == edge.source else 0.0
            origins[index] = x[upper] + leaves_at - x[edge.target] - edge.arrives_at
        indices.sort(key=origins.__getitem__)
        straight = [place for place, index in enumerate(indices) if abs(origins[index]) < 1]
        middle = straight[0] if len(straight) == 1 else (len(indices) - 1) / 2
        for place, index in enumerate(indices):
            shifts[index] = (place - middle) * SPREAD
    return shifts
