"""A trace in plain text: all records as a table, or one record in full."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.record.records import Operation, Record, Statistics, Step, Value

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
        *_columns(record.statistics),
        f"{record.time * 1e3:.3f}",
        memory_text(record.bytes),
        str(record.source or ""),
    )


def _columns(numbers: Statistics | None) -> tuple[str, str, str, str]:
    if numbers is None:
        return "", "", "", ""
    return number_text(numbers.mean), number_text(numbers.std), number_text(numbers.norm), f"{numbers.zeros:.0%}"


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


def description(record: Record) -> str:
    """One record with all that is known of it, a fact a line."""
    place = f" in {record.module or record.module_class}" if record.scope else ""
    if record.module and record.module_class:
        place += f" ({record.module_class})"
    lines = [f"[{record.index}] {record.kind} of {record.name}{place}", f"  {record.formula}"]
    if isinstance(record, Operation):
        lines += [f"  {_value(value, value.role)}" for value in record.inputs]
        if record.arguments:
            lines.append("  " + ", ".join([f"{key}={text}" for key, text in record.arguments.items()]))
        lines += [f"  {_value(value, '=> ' + value.role)}" for value in record.outputs]
        if record.steps:
            lines.append(f"  run backward by {_indices(record.steps)}")
    else:
        assert isinstance(record, Step)
        lines += [f"  {_value(value, 'gradient that came in')}" for value in record.incoming if value is not None]
        if record.contributions:
            summed = "the sum of those sent by" if len(record.contributions) > 1 else "sent by"
            lines.append(f"    {summed} {_indices(record.contributions)}")
        for out in record.outgoing:
            if out.gradient is not None:
                goes = f"-> [{out.step}] {out.to}" if out.step is not None else f"-> {out.to}"
                wait = f", which waits for {out.remaining} more" if out.remaining else ""
                lines.append(f"  {_value(out.gradient, 'gradient of ' + out.gradient.role)} {goes}{wait}")
        if record.accumulated is not None:
            lines.append(f"  {_value(record.accumulated, (record.leaf or 'the leaf') + '.grad is now')}")
    if record.saved:
        kept = ", ".join([f"{value.role} ({shape_text(value.shape)})" for value in record.saved])
        lines.append(f"  {'saved for backward' if isinstance(record, Operation) else 'used'}: {kept}")
    lines.append(f"  {record.time * 1e3:.3f} ms, {memory_text(record.bytes)}")
    if record.source is not None:
        lines.append(f"  {record.source}  {record.source.text}")
    return "\n".join(lines)


def _value(value: Value, label: str) -> str:
    """ "weight: features.0.weight, 6 x 1 x 5 x 5 float32, mean ..."."""
    origin = f"from [{value.maker}], " if value.maker is not None and value.role != "output" else ""
    if value.name and value.role != "grad":
        origin = f"{value.name}, "
    text = f"{label}: {origin}{shape_text(value.shape)} {value.dtype}"
    if value.statistics is None:
        return text
    mean, std, norm, zeros = _columns(value.statistics)
    if value.shape == ():
        return f"{text} {mean}"
    return f"{text}, mean {mean}, std {std}, norm {norm}, zeros {zeros}"


def _indices(indices: Sequence[int]) -> str:
    return ", ".join([f"[{index}]" for index in indices])


def shape_text(shape: tuple[int, ...]) -> str:
    """ "8 x 6 x 28 x 28"; "scalar" for no dimensions."""
    return " x ".join(map(str, shape)) or "scalar"


def number_text(value: float) -> str:
    """Three or four digits, with an exponent where the number is large or small."""
    return f"{value:.1e}" if value and not 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def memory_text(size: int) -> str:
    """ "151 kB"."""
    power = min(3, max(0, (len(str(size)) - 1) // 3))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB')[power]}"
