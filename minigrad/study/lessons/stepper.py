"""`study.step`: an HTML page that steps through forward and backward, one operation at a time."""

from __future__ import annotations

import json
import os
import sys
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any

from minigrad.record.trace import Trace
from minigrad.serialize.files import write_text
from minigrad.study.draw.autograd_graph import AutogradGraph
from minigrad.study.draw.cards import draw
from minigrad.study.draw.folding import fold, is_chip
from minigrad.study.draw.shapes import css
from minigrad.study.lessons.computation import computation_of_loss, computation_of_trace
from minigrad.study.lessons.first_lesson import lesson_computation, lesson_steps
from minigrad.study.lessons.narration import Narrator, Stop

_HERE = Path(__file__).parent


def step(computation: Any = None, path: str | os.PathLike[str] = "stepper.html") -> Path:
    """Write an HTML page that steps through forward and backward, one operation at a time.

    The page is one file and needs no network.

    Args:
        computation: a trace with `keep_values=True`, which shows all values; or a loss whose graph has not been freed,
            of which the values are shown that are still held or follow from these (backward runs for the page, and no
            `.grad` changes); or None for the first lesson, of four operations.
        path: the file to write.

    Returns:
        The path of the page.

    Raises:
        TypeError: a path is given in place of a computation.
        RuntimeError: the tensor has no graph, or it was freed; the trace has no backward pass, or no values.
        ValueError: there are more than 1,000 operations.

    Examples:
        >>> from minigrad import study
        >>> x = mg.randn(3, requires_grad=True)
        >>> with study.trace(keep_values=True) as t:
        ...     loss = (x * x).sum()
        ...     loss.backward()
        >>> study.step(t, "square.html").name
        'square.html'
    """
    if isinstance(computation, str | os.PathLike):
        path = os.fspath(computation)
        raise TypeError(f"step: expected a trace or a loss before the path; the lesson is step(path={path!r})")
    return step_in(sys._getframe(1), computation, path)


def step_in(frame: FrameType, computation: Any, path: str | os.PathLike[str]) -> Path:
    """`step`, with the names that the variables have in `frame`."""
    if computation is None:
        title, narrator, steps = "Backpropagation, step by step", *lesson_steps(lesson_computation())
    else:
        traced = isinstance(computation, Trace)
        whole = computation_of_trace(computation) if traced else computation_of_loss(computation, frame)
        narrator = Narrator(whole)
        title = f"Forward and backward of {narrator.names[whole.runs[0].entry]}"
        steps = [_start(narrator), *narrator.tell()]
    path = Path(path)
    write_text(path, _page(title, narrator, steps))
    return path


def _start(narrator: Narrator) -> Stop:
    operations = sum([bool(entry.operation) for entry in narrator.entries])
    leaves = sum([not entry.operation and entry.requires_grad for entry in narrator.entries])
    name = escape(narrator.names[narrator.computation.runs[0].entry])
    words = [
        f"This is the graph of <b>{name}</b>: {operations} operations, and {leaves} leaves whose gradient is wanted. "
        "A card is an operation; an arrow is a value that one made and another uses.",
        "First each operation computes its output. Then the gradients come back the other way: each operation turns "
        "the gradient of its output into those of its inputs.",
        "Step with the buttons or with → and ←; Home and End lead to the ends, space plays. A click on a card leads to "
        "its step.",
    ]
    return Stop("start", f"What leads to {narrator.names[narrator.computation.runs[0].entry]}", words)


def _page(title: str, narrator: Narrator, steps: list[Stop]) -> str:
    entries = narrator.entries
    shown = [entry.index for entry in entries if not is_chip(entries, entry)]
    depth = max([len(entry.path) for entry in entries])
    picture = draw(AutogradGraph(entries, narrator.computation.modules), fold(entries, shown, depth), legend=False)
    data = {
        "steps": [one.as_dict() for one in steps],
        "values": narrator.values,
        "codes": narrator.codes,
        "leaves": [entry.index for entry in entries if not entry.operation],
    }
    page = (_HERE / "stepper.html").read_text(encoding="utf-8")
    for place, text in (
        ("/*css*/", (_HERE / "stepper.css").read_text(encoding="utf-8")),
        ("/*colors*/", css(toggle=True)),
        ("/*script*/", (_HERE / "stepper.js").read_text(encoding="utf-8")),
        ("/*title*/", escape(title)),
        ("/*svg*/", picture.svg(colors=False)),
        # Inside <script> only "<" could end the data early.
        ("/*data*/", json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")),
    ):
        page = page.replace(place, text)
    return page
