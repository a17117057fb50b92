"""The operations of a graph grouped by module, and which modules are folded so that the picture stays small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from minigrad.study.draw.autograd_graph import Entry

GLANCE = 20  # cards that a person takes in at once; modules are folded until no more are left


@dataclass
class Box:
    """One call of a module, or with an empty path all of it: its entries, and what is shown of them."""

    path: str
    members: list[int]
    items: list[int | Box] = field(default_factory=list)
    folded: bool = False

    def boxes(self) -> Iterator[Box]:
        """The boxes inside, at any level."""
        for item in self.items:
            if isinstance(item, Box):
                yield item
                yield from item.boxes()

    def cards(self) -> int:
        """How many operations, leaves and folded modules are shown."""
        return sum([1 if isinstance(item, int) or item.folded else item.cards() for item in self.items])


def fold(entries: list[Entry], members: list[int], depth: int | None, path: str = "", level: int = 0) -> Box:
    """The entries `members`, all in the module `path` at nesting `level`, with `depth` further levels opened.

    Without `depth` as many as leave about 20 cards, and at least the module itself.
    """
    if depth is not None:
        return Box(path, members, _items(entries, members, level, depth))
    box = Box(path, members, _items(entries, members, level, 0))
    for more in range(1, max([len(entries[index].path) for index in members], default=0) + 1):
        deeper = Box(path, members, _items(entries, members, level, more))
        if deeper.cards() > GLANCE:
            break
        box = deeper
    return box


def is_chip(entries: list[Entry], entry: Entry) -> bool:
    """Whether a leaf is drawn beside the one operation that uses it: a parameter used once."""
    uses = [source for user in entry.users for source, _ in entries[user].sources if source == entry.index]
    return entry.is_parameter and len(uses) == 1


def _items(entries: list[Entry], members: list[int], level: int, depth: int) -> list[int | Box]:
    items: list[int | Box] = []
    for name, group in _calls(entries, members, level):
        operations = [index for index in group if entries[index].operation]
        if not name or len(operations) == 1:
            items.extend(group)
        elif depth == 0:
            items.append(Box(name, group, folded=True))
        else:
            items.append(Box(name, group, _items(entries, group, level + 1, depth - 1)))
    return items


def _calls(entries: list[Entry], members: list[int], level: int) -> list[tuple[str, list[int]]]:
    """`members` by the module that they are in at `level`, "" for none, inputs before what uses them.

    A module that is called twice, as one ReLU may be, gives two groups where one would close a loop.
    """
    home: dict[int, int] = {}
    groups: list[tuple[str, list[int]]] = []
    before: list[set[int]] = []
    latest: dict[str, int] = {}
    for index in members:
        path = entries[index].path
        name = path[level] if len(path) > level else ""
        inputs = {home[source] for source, _ in entries[index].sources if source in home}
        group = latest.get(name) if name else None
        if group is None or _reaches(inputs - {group}, group, before):
            group = len(groups)
            groups.append((name, []))
            before.append(set())
            latest[name] = group
        home[index] = group
        groups[group][1].append(index)
        before[group] |= inputs - {group}
    return [groups[group] for group in _sorted(before)]


def _reaches(starts: set[int], goal: int, before: list[set[int]]) -> bool:
    """Whether `goal` comes before any of `starts`."""
    stack, seen = list(starts), set(starts)
    while stack:
        group = stack.pop()
        if group == goal:
            return True
        stack.extend(before[group] - seen)
        seen |= before[group]
    return False


def _sorted(before: list[set[int]]) -> list[int]:
    """The groups in an order in which all of `before` comes first."""
    order: list[int] = []
    done: set[int] = set()
    for start in range(len(before)):
        stack = [start]
        while stack:
            group = stack[-1]
            pending = before[group] - done
            if pending:
                stack.append(min(pending))
                continue
            stack.pop()
            if group not in done:
                done.add(group)
                order.append(group)
    return order
