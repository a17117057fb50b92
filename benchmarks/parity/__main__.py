"""Print the figures of parity, a row for each operation: ``python -m benchmarks.parity [OPERATION ...] [-v]``."""

from __future__ import annotations

import argparse

from rich import box
from rich.console import Console
from rich.table import Table

try:
    from benchmarks.parity.measure import Figures, measure, total
except ModuleNotFoundError as missing:
    raise SystemExit(f"parity: {missing.name} is not installed; pip install -e '.[bench]'") from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description="minigrad beside PyTorch")
    parser.add_argument("operation", nargs="*", help="only these, by their names in PyTorch's database")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every disagreement")
    arguments = parser.parse_args()
    figures = measure(arguments.operation or None)
    if not figures:
        parser.error(f"no such operation: {', '.join(arguments.operation)}")
    console = Console()
    console.print(table(figures))
    whole = total(figures)
    for reason, count in whole.omitted.most_common():
        console.print(f"left out {count:5d}  {reason}", highlight=False, markup=False, soft_wrap=True)
    for line in whole.disagreements if arguments.verbose else ():
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def table(figures: list[Figures]) -> Table:
    """Samples and error inputs of each operation, and their totals below."""
    table = Table(title="minigrad beside PyTorch, on PyTorch's own samples", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("operation", overflow="fold")
    table.caption = "F. is nn.functional. · in-place forms refuse results that do not fit"
    for column in "samples", "agree", "errors", "refused", "own words", "left out":
        table.add_column(column, justify="right", no_wrap=True, min_width=len(column))
    for row in figures:
        name = row.operation.replace("nn.functional.", "F.")
        table.add_row(name, *_cells(row), style="red" if row.disagreements else None)
    for title, rows in (
        ("operations", [row for row in figures if not row.in_place]),
        ("in-place forms", [row for row in figures if row.in_place]),
    ):
        whole = total(rows)
        table.add_section()
        table.add_row(f"{len(rows)} {title}", *_cells(whole), style="bold")
        table.add_row("", "", _percent(whole.agreed, whole.samples), "", _percent(whole.refused, whole.errors))
    return table


def _cells(row: Figures) -> list[str]:
    counts = row.samples, row.agreed, row.errors, row.refused, row.in_our_words, row.omitted.total()
    return [str(count) if count else "" for count in counts]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else ""


if __name__ == "__main__":
    main()
