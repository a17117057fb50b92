"""Print the figures of parity, a row for each operation: ``python -m benchmarks.parity [OPERATION ...] [-v]``."""

import argparse

from rich.console import Console
from rich.table import Table

from benchmarks.parity.measure import Figures, measure, total


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("operation", nargs="*", help="only these")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every disagreement")
    arguments = parser.parse_args()
    figures = measure(arguments.operation or None)
    console = Console()
    console.print(table(figures))
    for reason, count in total(figures).omitted.most_common():
        console.print(f"left out {count:5d}  {reason}", highlight=False, markup=False, soft_wrap=True)
    if arguments.verbose:
        for row in figures:
            for line in row.disagreements:
                console.print(line, highlight=False, markup=False, soft_wrap=True)


def table(figures: list[Figures]) -> Table:
    """Samples and error inputs of each operation, and their totals below."""
    table = Table("operation", title="minigrad beside PyTorch, on PyTorch's own samples")
    for column in "samples", "agree", "error inputs", "refused", "in our words", "left out":
        table.add_column(column, justify="right")
    for row in figures:
        table.add_row(row.operation, *_cells(row), style="red" if row.disagreements else None)
    in_place = [row for row in figures if row.in_place]
    for title, rows in (
        ("operations", [row for row in figures if row not in in_place]),
        ("in-place forms", in_place),
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
