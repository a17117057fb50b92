"""The steps of the stepper's page: for each a title, the text, the values and formulas to show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from minigrad.autograd.node import AccumulateGrad
from minigrad.record.formulas import FORMULAS
from minigrad.record.typeset import mathml
from minigrad.study.draw.arrays import number_text, picture_of, short
from minigrad.study.draw.highlight import highlight
from minigrad.study.explain.sources import sources_of
from minigrad.study.lessons.computation import Computation, Run

_SIGNS = {
    "Add": "{} + {}",
    "Sub": "{} − {}",
    "Mul": "{} × {}",
    "Div": "{} / {}",
    "MatMul": "{} @ {}",
    "Neg": "−{}",
    "Square": "{}²",
    "Pow": "{} ^ {}",
}
SMALL_GRAPH = 20  # operations: up to so many, those without a name are called v1, v2, ...
LONGEST_TITLE = 22  # characters of an expression on a card

# For each entry of the computation the gradients that have come to it, each with its sender.
Arrived = dict[int, list[tuple[int, np.ndarray]]]


@dataclass
class Stop:
    """One step of the page. `changes` says for some entries what their cards show from now on."""

    phase: str  # "start", "forward", "turn", "backward", "end"
    title: str
    words: list[str]  # paragraphs of HTML
    node: int | None = None
    sub: str = ""
    edges: list[tuple[int, int]] = field(default_factory=list)  # lit: from the entry that made a tensor to its user
    groups: list[dict[str, Any]] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    code: str = ""  # the operation whose source is shown
    symbols: str = ""  # which values the letters of the formulas stand for
    program: str = ""  # other source, as HTML
    line: str = ""  # where in the user's code the operation stands
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What differs from an empty step, as JSON takes it."""
        return {name: value for name, value in vars(self).items() if value not in (None, "", [], {})}


class Narrator:
    """Writes the steps of a computation; `notes` are paragraphs to add, by the phase and the name of the entry."""

    def __init__(self, computation: Computation, notes: Mapping[tuple[str, str], Sequence[str]] | None = None):
        self.computation, self.notes = computation, notes or {}
        self.entries, self.facts = computation.entries, computation.facts
        self.values: list[dict[str, Any] | None] = []
        self.codes: dict[str, dict[str, str]] = {}
        self._known: dict[tuple[int, int], int] = {}
        self.names = self._names()
        self._dress()

    def tell(self) -> list[Stop]:
        """All steps: forward, the turn, backward."""
        steps = [self._forward(index) for index, entry in enumerate(self.entries) if entry.operation]
        steps.append(self._turn())
        arrived: Arrived = {}
        done: set[int] = set()
        for place, run in enumerate(self.computation.runs):
            following = self.computation.runs[place + 1].entry if place + 1 < len(self.computation.runs) else None
            steps.append(self._backward(run, arrived, done, following))
        return steps

    # Names and cards

    def _names(self) -> list[str]:
        """For each entry its own name, or one made up: v1, v2 in small graphs, else what it is and where."""
        operations = [entry for entry in self.entries if entry.operation]
        names, count = [], 0
        taken = {entry.label for entry in self.entries}
        for entry in self.entries:
            if entry.label:
                names.append(entry.label)
            elif entry.operation and len(operations) <= SMALL_GRAPH and not self.computation.modules:
                count += 1
                while f"v{count}" in taken:
                    count += 1
                names.append(f"v{count}")
            elif entry.operation:
                names.append(f"{entry.operation} ({entry.path[-1]})" if entry.path else entry.operation)
            else:
                names.append("a constant" if not entry.requires_grad else "a leaf")
        return names

    def expression(self, index: int, operands: Sequence[str]) -> str:
        """The operation written as in a program, of `operands` for its sources; "" if it has no short form."""
        entry, facts = self.entries[index], self.facts[index]
        by_role = dict(zip(facts.roles, operands, strict=True)) | facts.arguments
        parts = [by_role[role] for role in sorted(by_role)]
        sign = _SIGNS.get(entry.operation)
        if sign is not None:
            return sign.format(*parts) if sign.count("{}") == len(parts) else ""
        if entry.family == "function" and len(parts) == 1:
            return f"{entry.operation.lower()}({parts[0]})"
        return ""

    def _dress(self) -> None:
        """Put titles, values and gradients on the cards; the page shows them when their time comes."""
        for index, (entry, facts) in enumerate(zip(self.entries, self.facts, strict=True)):
            if entry.operation:
                right = self.expression(index, [self.names[source] for source, _ in entry.sources])
                title = f"{self.names[index]} = {right}"
                entry.title = title if right and len(title) <= LONGEST_TITLE else ""
            elif entry.label == "" and not entry.is_parameter:
                entry.title = "constant" if not entry.requires_grad else ""
            entry.value = short(facts.values[0]) if facts.values else ""
        for run in self.computation.runs:
            self.entries[run.entry].gradient_text = _gradient_text(run.incoming)

    # Values

    def _value(self, array: np.ndarray | None) -> int:
        self.values.append(picture_of(array))
        return len(self.values) - 1

    def _output(self, index: int, slot: int) -> int:
        key = index, slot
        if key not in self._known:
            self._known[key] = self._value(self.facts[index].values[slot])
        return self._known[key]

    def _code(self, index: int) -> str:
        """Add the source of an operation, or of AccumulateGrad for a leaf, to `codes`; returns its key there."""
        cls = self.facts[index].cls if self.entries[index].operation else AccumulateGrad
        if cls is None:
            return ""
        if cls.__name__ not in self.codes:
            forward, backward = sources_of(cls)
            own = cls.__module__.startswith("minigrad.")
            self.codes[cls.__name__] = {
                "forward": highlight(forward),
                "backward": highlight(backward),
                "file": f"{cls.__module__.replace('.', '/')}.py" if own else "",
            }
        return cls.__name__ if self.codes[cls.__name__]["forward"] or self.codes[cls.__name__]["backward"] else ""

    def _symbols(self, index: int) -> str:
        """Which values the letters of the operation's formula are here; "" where they are not the arguments' names."""
        entry, facts = self.entries[index], self.facts[index]
        result, _, right = FORMULAS.get(entry.operation, ("",))[0].partition(" = ")
        letters = set(re.findall(r"[a-z]+", right))
        if not result.isalpha() or not letters.issuperset(facts.roles):
            return ""
        pairs = [(role, self.names[source]) for role, (source, _) in zip(facts.roles, entry.sources, strict=True)]
        pairs += [(role, text) for role, text in facts.arguments.items() if role in letters]
        pairs.append((result, self.names[index]))
        return ", ".join([f"{letter} is {name}" for letter, name in pairs if letter != name])

    # Steps

    def _heading(self, index: int) -> tuple[str, str]:
        entry = self.entries[index]
        if entry.title:
            return entry.title, entry.operation
        where = f"{entry.path[-1]} ({self.computation.modules.get(entry.path[-1], '')})" if entry.path else ""
        return entry.operation or self.names[index], where

    def _forward(self, index: int) -> Stop:
        entry, facts = self.entries[index], self.facts[index]
        title, sub = self._heading(index)
        words = []
        numbers = [short(self.facts[source].values[slot]) for source, slot in entry.sources]
        computed = self.expression(index, numbers) if all(numbers) else ""
        name = self.names[index]
        if computed and entry.value:
            words.append(f"<b>{escape(name)}</b> = {escape(computed)} = <b>{entry.value}</b>.")
        if not entry.requires_grad:
            words.append("Nothing that goes in needs a gradient, so nothing is put on the tape.")
        else:
            words.append(self._tape_words(index))
        words += self.notes.get(("forward", name), [])
        inputs = [
            {"name": self._as_argument(role, self.names[source]), "value": self._output(source, slot)}
            for (source, slot), role in zip(entry.sources, facts.roles, strict=True)
        ]
        options = ", ".join([f"{role} = {text}" for role, text in facts.arguments.items()])
        groups = [{"title": "goes in", "items": inputs, "note": options}]
        outputs = [{"name": name, "value": self._output(index, slot)} for slot in range(len(facts.values))]
        groups.append({"title": "comes out", "items": outputs})
        return Stop(
            "forward",
            title,
            words,
            index,
            sub,
            [(source, index) for source, _ in entry.sources],
            groups,
            [mathml(formula) for formula in FORMULAS.get(entry.operation, ())],
            self._code(index),
            self._symbols(index),
            line=f"{facts.line}  {facts.line.text}" if facts.line is not None and facts.line.text else "",
            changes={index: {"value": True}},
        )

    def _tape_words(self, index: int) -> str:
        entry, facts = self.entries[index], self.facts[index]
        inputs = [self.names[source] for source, _ in entry.sources if self.entries[source].requires_grad]
        targets = _listed(list(dict.fromkeys(inputs)))
        words = f"A node goes on the tape. It points back to {targets}"
        if facts.saved is None:
            return words + "."
        of_role = {role: self.names[source] for role, (source, _) in zip(facts.roles, entry.sources, strict=True)}
        kept = [of_role.get(role, "its output" if role == "output" else role) for role in facts.saved]
        if not kept:
            return words + ", and keeps no values: its derivative does not depend on them."
        them = "it" if len(kept) == 1 else "them"
        return words + f", and keeps {_listed(kept)} for the way back: the derivative needs {them}."

    def _turn(self) -> Stop:
        root = self.computation.runs[0].entry
        name = escape(self.names[root])
        waiting = self._initial_counts()
        value = f" = {self.entries[root].value}" if self.entries[root].value else ""
        words = [
            f"Forward is done: <b>{name}{value}</b>. Now we walk the same graph against the arrows. At every node we "
            f"want one thing, its <b>gradient</b>: the derivative of {name} with respect to the value there.",
            f"We know one gradient already: {name} with respect to itself is 1. The chain rule gives the others: "
            "what a node sends back to an input is its own gradient × its <b>local derivative</b>, that of its output "
            "with respect to this input.",
            "A node that does this <b>runs</b>. The number in a circle is how many gradients it still <b>waits</b> "
            "for: one for each use of its value. It may run when the count is 0, and not before. On the cards, ∇ is "
            "the gradient that has arrived so far.",
            *self.notes.get(("turn", ""), []),
        ]
        changes: dict[int, dict[str, Any]] = {
            index: {"waiting": count, "state": "waiting" if count else "ready"} for index, count in waiting.items()
        }
        return Stop("turn", "Now backward", words, changes=changes)

    def _initial_counts(self) -> dict[int, int]:
        counts = {run.entry: 0 for run in self.computation.runs}
        for run in self.computation.runs:
            for sent in run.sent:
                counts[sent.target] = counts.get(sent.target, 0) + 1
        return counts

    def _backward(self, run: Run, arrived: Arrived, done: set[int], following: int | None) -> Stop:
        index = run.entry
        entry, facts = self.entries[index], self.facts[index]
        done.add(index)
        contributions = arrived.get(index, [])
        title, sub = self._heading(index)
        name = self.names[index]
        words = [self._why_now(index, contributions)]
        groups: list[dict[str, Any]] = []
        if len(contributions) > 1:
            items = [
                {"name": f"from {self.names[sender]}", "value": self._value(array), "tone": "gradient"}
                for sender, array in contributions
            ]
            total = {"name": f"sum: gradient of {name}", "value": self._value(run.incoming), "tone": "gradient"}
            groups.append({"title": "arrived, and is added", "items": [*items, total], "sum": True})
        else:
            item = {"name": f"gradient of {name}", "value": self._value(run.incoming), "tone": "gradient"}
            groups.append({"title": "arrived", "items": [item]})
        changes: dict[int, dict[str, Any]] = {index: {"state": "done", "gradient": entry.gradient}}
        if entry.operation:
            words += self._sending(run, arrived, changes, done)
            items = [
                {
                    "name": f"to {self.names[sent.target]}" + (f" (as {sent.role})" if sent.role else ""),
                    "value": self._value(sent.value),
                    "tone": "gradient",
                }
                for sent in run.sent
            ]
            groups.append({"title": "goes on", "items": items})
            used = [
                {"name": self._as_argument(role, self.names[source]), "value": self._output(source, slot)}
                for (source, slot), role in zip(entry.sources, facts.roles, strict=True)
            ]
            used += [{"name": name, "value": self._output(index, 0)}] if facts.values else []
            groups.append({"title": "values from forward", "items": used})
        else:
            words.append(
                f"No operation made {escape(name)}: it is a <b>leaf</b>. The walk ends here, in a node called "
                f"<code>AccumulateGrad</code>, which adds what arrived to <code>{escape(name)}.grad</code>."
            )
            if run.accumulated is not None:
                item = {"name": f"{name}.grad", "value": self._value(run.accumulated), "tone": "gradient"}
                groups.append({"title": "is now", "items": [item]})
        words += self.notes.get(("backward", name), [])
        if following is None:
            words.append("No node is ready and none waits: backward is done.")
        formulas = [mathml(formula) for formula in FORMULAS.get(entry.operation, ())]
        edges = [(sent.target, index) for sent in run.sent]
        code, symbols = self._code(index), self._symbols(index)
        return Stop("backward", title, words, index, sub, edges, groups, formulas, code, symbols, changes=changes)

    def _why_now(self, index: int, contributions: list[tuple[int, np.ndarray]]) -> str:
        name = f"<b>{escape(self.names[index])}</b>"
        senders = _listed(list(dict.fromkeys([self.names[sender] for sender, _ in contributions])))
        if not contributions:
            return f"It begins at {name}, whose gradient is 1: nudge {name} by a little, and it changes by just that."
        if len(contributions) == 1:
            return f"{name} was used once, by {senders}, and that has run: the gradient of {name} is complete."
        count = {2: "twice", 3: "three times", 4: "four times"}.get(len(contributions), f"{len(contributions)} times")
        every = "both" if len(contributions) == 2 else f"all {len(contributions)}"
        adding = ""
        texts = [short(array) for _, array in contributions]
        if all(texts):
            total = short(np.sum([array for _, array in contributions], axis=0))
            adding = f" {' + '.join([_in_sum(text) for text in texts])} = <b>{total}</b>."
        return (
            f"{name} was used {count}, and {every} gradients have arrived, from {senders}. "
            f"They are <b>added</b>.{adding}"
        )

    def _sending(self, run: Run, arrived: Arrived, changes: dict[int, dict[str, Any]], done: set[int]) -> list[str]:
        """What the node sends to whom, and who has to wait on; `arrived` and `changes` are kept up to date."""
        own = short(run.incoming)
        sums, waits = [], []
        for sent in run.sent:
            if sent.value is not None:
                arrived.setdefault(sent.target, []).append((run.entry, sent.value))
                text = short(sent.value)
                if own and text and run.incoming is not None and run.incoming.item() != 0:
                    local = number_text(sent.value.item() / run.incoming.item())
                    sums.append(f"to {escape(self.names[sent.target])}: {own} × {_in_sum(local)} = <b>{text}</b>")
            change = changes.setdefault(sent.target, {})
            change["waiting"], change["state"] = sent.remaining, "waiting" if sent.remaining else "ready"
            so_far = [array for _, array in arrived.get(sent.target, [])]
            if so_far and so_far[0].size == 1:
                change["gradient"] = _gradient_text(sum(so_far[1:], so_far[0]))
        for target in dict.fromkeys([sent.target for sent in run.sent]):
            left = changes[target]["waiting"]
            name = f"<b>{escape(self.names[target])}</b>"
            if left:
                late = dict.fromkeys([self.names[user] for user in self.entries[target].users if user not in done])
                has = "has" if len(late) == 1 else "have"
                waits.append(f"{name} must wait: {_listed(list(late))} used it too, and {has} not run yet.")
            elif self.entries[target].operation:
                waits.append(f"{name} has everything it waited for, and is ready.")
        words = []
        if sums:
            words.append(f"Gradient × local derivative goes back {_listed_html(sums)}.")
        return words + ([" ".join(waits)] if waits and len(waits) <= 4 else [])

    def _as_argument(self, role: str, name: str) -> str:
        return name if role == name else f"{role} = {name}"


def _gradient_text(array: np.ndarray | None) -> str:
    if array is None:
        return ""
    if array.size == 1:
        return f"∇ {short(array)}"
    return f"∇ {np.linalg.norm(array.astype(np.float64)):.3g}"


def _in_sum(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _listed(names: list[str]) -> str:
    return _listed_html([escape(name) for name in names])


def _listed_html(parts: list[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "nothing"
