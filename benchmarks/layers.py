"""``python -m benchmarks.cpu --layers``: every layer by itself, beside PyTorch and beside the machine's limit."""

from argparse import Namespace
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks import runner
from benchmarks.report import console, ratio_cell
from benchmarks.runner import MINIGRAD, PEERS, alternate, ratios
from benchmarks.units import milliseconds


def measure_layers(results: dict, path: Path, arguments: Namespace) -> None:
    """Measure, print and save."""
    contenders = [MINIGRAD] if arguments.alone else [MINIGRAD, *PEERS]
    seconds = 0.0 if arguments.quick else 0.2
    runs = {contender.name: [] for contender in contenders}
    with console.status("") as status:
        for round, contender in alternate(contenders, arguments.rounds):
            status.update(f"round {round + 1} of {arguments.rounds}, {contender.name}")
            env = runner.environment(contender.package, arguments.threads)
            runs[contender.name].append(runner.run("operations", [contender.layout, seconds], env)["operations"])
    results |= {"rounds": arguments.rounds, "operations": _gather(runs, results["machine"]["limits"])}
    runner.save(results, path)
    console.print(_table(results, [contender.name for contender in contenders[1:]]))


def _gather(runs: dict[str, list], limits: dict) -> list[dict]:
    """A row for each pass of each operation: times of all rounds, rate, share of the limit, ratios."""
    rows = []
    for index, operation in enumerate(runs["minigrad"][0]):
        for name, work in operation["passes"].items():
            seconds = {
                contender: [operations[index]["passes"][name]["seconds"] for operations in rounds]
                for contender, rounds in runs.items()
            }
            own = median(seconds["minigrad"])
            least = max(work["flop"] / limits["sgemm_flop_per_second"], work["bytes"] / limits["copy_bytes_per_second"])
            rows.append(
                {
                    "operation": operation["name"],
                    "pass": name,
                    "seconds": seconds,
                    "flop_per_second": work["flop"] / own,
                    "bytes_per_second": work["bytes"] / own,
                    "share_of_limit": least / own,
                    "ratios": {
                        peer: ratios(times, seconds["minigrad"])
                        for peer, times in seconds.items()
                        if peer != "minigrad"
                    },
                }
            )
    return rows


def _table(results: dict, peers: list[str]) -> Table:
    limits = results["machine"]["limits"]
    table = Table(
        title=f"The limit: {limits['sgemm_flop_per_second'] / 1e9:.0f} GFLOP/s (sgemm), "
        f"{limits['copy_bytes_per_second'] / 1e9:.1f} GB/s (copy). Convolutions are counted directly, "
        "so an algorithm with fewer multiplications can pass 100 %",
        title_justify="left",
    )
    table.add_column("operation")
    table.add_column("pass")
    for column in ["minigrad", "GFLOP/s", "GB/s", "of limit", *(f"{peer}\nover minigrad" for peer in peers)]:
        table.add_column(column, justify="right")
    for row in results["operations"]:
        if row["pass"] == "forward":
            table.add_section()
        table.add_row(
            row["operation"] if row["pass"] == "forward" else "",
            row["pass"],
            milliseconds(median(row["seconds"]["minigrad"])),
            f"{row['flop_per_second'] / 1e9:.0f}" if row["flop_per_second"] else "",
            f"{row['bytes_per_second'] / 1e9:.1f}",
            f"{row['share_of_limit']:.0%}",
            *(ratio_cell(row["ratios"][peer]) for peer in peers),
        )
    return table
