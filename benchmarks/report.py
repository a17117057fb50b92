"""How the figures are printed."""

from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.runner import Contender
from benchmarks.units import mebibytes, milliseconds

METRICS = ["training step", "inference", "inference, batch 1", "peak memory", "first step"]
console = Console()
if not console.is_terminal:
    console.width = 140  # a file has no edge


def case_table(row: dict, contenders: list[Contender]) -> Table:
    """A row for each metric: everyone's median, and the ratios with their spread."""
    table = Table(title=row["title"], title_justify="left")
    table.add_column("")
    for contender in contenders:
        table.add_column(contender.name, justify="right")
    for contender in contenders[1:]:
        table.add_column(f"{contender.name}\nover minigrad", justify="right")
    for metric in METRICS:
        cells = [quantity(metric, median(row["figures"][contender.name][metric])) for contender in contenders]
        table.add_row(metric, *cells, *(ratio_cell(row["ratios"][peer.name][metric]) for peer in contenders[1:]))
    return table


def quantity(metric: str, value: float) -> str:
    return mebibytes(value) if metric == "peak memory" else milliseconds(value)


def ratio_cell(ratio: dict[str, float]) -> str:
    colour = "green" if ratio["median"] >= 1 else "red"
    spread = f" ({ratio['least']:.2f} to {ratio['most']:.2f})" if ratio["least"] < ratio["most"] else ""
    return f"[{colour}]{ratio['median']:.2f}[/]{spread}"
