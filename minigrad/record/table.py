"""Records as a table of plain text, a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.record.records import Operation, Record, Step
from minigrad.record.text import memory_text, shape_text

WIDTH = 120  # columns


TITLES = ("", "operation", "module", "shape", "mean", "std", "norm", "zeros", "ms", "memory", "line")
WORDS = (1, 2, 10)  # the columns that may be cut short; the others are numbers
WHAT = {"forward": "the outputs", "backward": "the gradients of these outputs"}  # that the numbers are of


def table(records: Sequence[Record]) -> str:
    """The records, a line each, in at most `WIDTH` columns, and what they come to."""
    rows = [TITLES, *[_row(record) for record in records]]
    widths = [max([len(row[column]) for row in rows]) for column in range(len(TITLES))]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        widest = max(WORDS, key=lambda column: widths[column])
        widths[widest] -= 1
    lines, before = [_line(TITLES, widths)], ""
    for record, row in zip(records, rows[1:], strict=True):
        section = f"{record.kind.upper()}: {WHAT[record.kind]}"
        if record.within is not None:  # forward that ran again for a checkpoint, gradients of gradients
            section += f", within [{record.within}]"
        if section != before:
            lines += [""] * bool(before) + [section]
            before = section
        lines.append(_line(row, widths))
    return "\n".join([*lines, "", _total(records)])


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    cells = []
    for column, (text, width) in enumerate(zip(row, widths, strict=True)):
        if len(text) > width:  # a path is told by its end, a name by its beginning
            text = "…" + text[len(text) - width + 1 :] if TITLES[column] == "module" else text[: width - 1] + "…"
        cells.append(text.ljust(width) if column in (*WORDS, 3) else text.rjust(width))
    return "  ".join(cells).rstrip()


def _row(record: Record) -> tuple[str, ...]:
    name, module = record.name, record.module or record.module_class
    if isinstance(record, Step):
        shape = next((value.shape for value in record.incoming if value is not None), ())
        if record.leaf:
            module, _, last = record.leaf.rpartition(".")
            name = f"-> {last}.grad"
    else:
        assert isinstance(record, Operation)
        shape = record.outputs[0].shape if record.outputs else ()
    return (
        str(record.index),
        name,
        module,
        shape_text(shape),
        *(record.statistics.columns() if record.statistics is not None else ("",) * 4),
        f"{record.time * 1e3:.3f}",
        memory_text(record.bytes),
        str(record.source or ""),
    )


def _total(records: Sequence[Record]) -> str:
    """ "15 operations forward in 3.2 ms (0.4 MB of outputs); 25 steps backward in 5.1 ms (2 MB of gradients)"."""
    parts = []
    for kind, words, result in (("forward", "operation", "outputs"), ("backward", "step", "gradients")):
        chosen = [record for record in records if record.kind == kind]
        if chosen:
            outer = [record for record in chosen if record.within is None]  # others run in the time of these
            seconds, size = sum(record.time for record in outer), sum(record.bytes for record in chosen)
            count = f"{len(chosen)} {words}{'s' if len(chosen) > 1 else ''}"
            parts.append(f"{count} {kind} in {seconds * 1e3:.3g} ms ({memory_text(size)} of {result})")
    return "; ".join(parts)
